// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * paths.c without the daemon around it, for paths.t. Usage: paths_tool FILE, where each line of FILE is
 * "ROLE NAME USE" (roles and uses as in the configuration) or "listen". SIGHUP reads FILE again, SIGUSR1 prints the
 * local addresses and checks, as the daemon does now and then, SIGTERM closes. Each event is one line on standard
 * output.
 */
#include <errno.h>
#include <lib/log.h>
#include <mpgated/paths/paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *file;
static struct paths *paths;
static uv_signal_t signals[3];
static struct cfg_link links[MPGATE_MAX_LINKS];
static char names[MPGATE_MAX_LINKS][16];

static int read_config(struct config *cfg)
{
	char line[128], role[8], use[16];
	FILE *f = fopen(file, "re");

	if (!f)
		return -errno;
	memset(cfg, 0, sizeof(*cfg));
	memset(links, 0, sizeof(links));
	cfg->links = links;
	cfg->mark.value = MPGATE_MARK;
	cfg->mark.mask = MPGATE_MARK_MASK;
	while (fgets(line, sizeof(line), f) && cfg->link_count < MPGATE_MAX_LINKS) {
		struct cfg_link *l = &links[cfg->link_count];

		if (!strcmp(line, "listen\n")) {
			cfg->convert.listening = true;
			continue;
		}
		l->name = l->path = names[cfg->link_count];
		if (sscanf(line, "%7s %15s %15s", role, l->name, use) != 3)
			continue;
		l->role = !strcmp(role, "lan") ? CFG_LAN : !strcmp(role, "path") ? CFG_PATH : CFG_NET;
		l->use = !strcmp(use, "backup") ? CFG_BACKUP : !strcmp(use, "overflow") ? CFG_OVERFLOW : CFG_PRIMARY;
		cfg->link_count++;
	}
	fclose(f);
	return 0;
}

static void on_link(void *arg, unsigned index, const struct paths_link *l)
{
	char a[2][ADDR_TEXT];
	static const struct mpgate_addr none;

	(void)arg;
	for (int f = 0; f < 2; f++) {
		if (memcmp(&l->addr[f], &none, sizeof(none)))
			addr_print(&l->addr[f], a[f]);
		else
			strcpy(a[f], "-");
	}
	printf("link %u %s %s %s %s %s %s ids %d %d\n", index, l->name, l->ifindex ? "present" : "absent",
	       l->up ? "up" : "down", l->l3 ? "l3" : "l2", a[0], a[1], l->endpoint[0], l->endpoint[1]);
}

static void print_addrs(void)
{
	struct mpgate_addr *v;
	unsigned n;

	if (paths_local_addrs(paths, &v, &n) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		char text[ADDR_TEXT];

		printf("local %s\n", addr_print(&v[i], text));
	}
	free(v);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct config cfg;

	(void)handle;
	if (number == SIGUSR1) {
		print_addrs();
		paths_check(paths);
	} else if (number == SIGHUP) {
		int err = read_config(&cfg);

		printf("reload %d\n", err ? err : paths_reload(paths, &cfg));
	} else {
		paths_close(paths);
		for (int i = 0; i < 3; i++)
			uv_close((uv_handle_t *)&signals[i], NULL);
	}
}

int main(int argc, char **argv)
{
	static const int numbers[3] = { SIGHUP, SIGUSR1, SIGTERM };
	const struct paths_events events = { .link = on_link };
	struct config cfg;
	uv_loop_t loop;
	int err;

	if (argc != 2)
		return 2;
	file = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("paths_tool", LOG_LEVEL_DEBUG);
	uv_loop_init(&loop);
	err = read_config(&cfg);
	if (!err)
		err = paths_open(&loop, &cfg, &events, &paths);
	for (int i = 0; i < 3 && !err; i++) {
		uv_signal_init(&loop, &signals[i]);
		uv_signal_start(&signals[i], on_signal, numbers[i]);
	}
	if (!err)
		printf("ready %u\n", paths_count(paths));
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) == UV_EBUSY) {
		printf("handles left\n");
		return 1;
	}
	if (err)
		printf("failed %d\n", err);
	else
		printf("closed\n");
	return err ? 1 : 0;
}
