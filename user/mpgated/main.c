// SPDX-License-Identifier: GPL-2.0-or-later
/* mpgated -c FILE [--check], mpgated --clean INSTANCE, and the processes that it starts of itself (ipc/start.h). */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <lib/config/config.h>
#include <lib/keys.h>
#include <lib/log.h>
#include <lib/version.h>
#include <mpgated/answers/answers.h>
#include <mpgated/control/http.h>
#include <mpgated/ipc/start.h>
#include <mpgated/logger/logger.h>
#include <mpgated/resolver/resolver.h>
#include <mpgated/supervisor/clean.h>
#include <mpgated/supervisor/supervisor.h>
#include <mpgated/worker/worker.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int usage(FILE *to)
{
	fprintf(to, "usage: mpgated -c FILE [--check]\n"
		    "       mpgated --clean INSTANCE\n"
		    "  -c, --config FILE  configuration, see mpgate.conf(5)\n"
		    "      --check        check the configuration and exit\n"
		    "      --clean INSTANCE\n"
		    "                     put back what a killed daemon has left, and exit\n"
		    "      --version      print the version and exit\n");
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

/* What is missing, or too much. */
static int wrong_usage(const char *path, const char *left, const char *more)
{
	if (more)
		fprintf(stderr, "mpgated: '%s' is too much%s%s\n", more,
			path || left ? "" : "; a configuration is given as -c ", path || left ? "" : more);
	else if (!path && !left)
		fputs("mpgated: -c FILE is missing\n", stderr);
	else
		fprintf(stderr, "mpgated: --clean goes without %s\n", path ? "-c" : "--check");
	return usage(stderr);
}

/* In Mbit/s; 0: absent, or it does not say. */
static unsigned link_speed(const char *name)
{
	char path[sizeof("/sys/class/net//speed") + IFNAMSIZ];
	char text[16] = "";
	long mbit = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f))
		mbit = strtol(text, NULL, 10);
	fclose(f);
	return mbit > 0 && mbit <= INT_MAX ? (unsigned)mbit : 0;
}

static int check(const char *path)
{
	unsigned mbit[MPGATE_MAX_LINKS];
	struct cfg_error err;
	struct config *cfg;
	char hint[CFG_HINT];

	if (config_load(path, &cfg, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < cfg->link_count; i++)
		mbit[i] = link_speed(cfg->links[i].name);
	if (config_hint(cfg, mbit, hint))
		fprintf(stderr, "%s: hint: %s\n", path, hint);
	for (unsigned i = 0; i < cfg->peer_count; i++)
		if (config_left_out(cfg, i, err.text, sizeof(err.text)))
			fprintf(stderr, "%s: peer %s is %s\n", path, cfg->peers[i].name, err.text);
	config_free(cfg);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "clean", required_argument, NULL, 'C' },  { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	    { 0 }
	};
	const char *path = NULL, *left = NULL;
	bool only_check = false;
	int c;

	if (argc == 2 && !strcmp(argv[0], START_WORKER))
		worker_main(argv[1]);
	if (argc == 2 && !strcmp(argv[0], START_METRICS))
		http_main();
	if (argc == 2 && !strcmp(argv[0], START_LOGGER))
		logger_main();
	if (argc == 2 && !strcmp(argv[0], START_RESOLVER))
		resolver_main();
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'C':
			left = optarg;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			printf("mpgated %s\n", MPGATE_VERSION);
			return EXIT_DONE;
		default:
			return usage(stderr);
		}
	}
	if (!path == !left || (left && only_check) || optind != argc)
		return wrong_usage(path, left, argv[optind]);
	log_setup("mpgated", LOG_LEVEL_INFO);
	if (left)
		return supervisor_clean(left);
	/* Keys must not get into a dump of a crash. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warn("cannot forbid dumps: %s", strerror(errno));
	if (keys_init() < 0) {
		log_error("libsodium does not start");
		return EXIT_FAILED;
	}
	return only_check ? check(path) : supervisor_run(path, &answers);
}
