/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mpgatectl: the operator's tool. Exit 0 done, 1 failed, 2 usage. */
#include <stdlib.h>
#include <string.h>

#include <lib/version.h>
#include <mpgatectl/args.h>
#include <mpgatectl/client.h>
#include <mpgatectl/command.h>
#include <mpgatectl/show.h>

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

#define ERROR_LINE 256 /* bytes of a message about the command line */

static int report(const struct args *args, const char *error, int status)
{
	json_t *value;

	if (!args->json) {
		fprintf(stderr, "mpgatectl: %s\n", error);
		if (status == EXIT_USAGE)
			fputs("mpgatectl --help lists the commands\n", stderr);
		return status;
	}
	value = json_pack("{s:s}", "error", error);
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(value);
	return status;
}

static int run(const struct args *args)
{
	const struct verb *v = args->verb;
	char line[ERROR_LINE];
	json_t *parameters = NULL;
	json_t *value;
	char *error = NULL;
	int status = EXIT_DONE;

	if (v->asks_path) {
		parameters = args_explain(args, line, sizeof(line));
		if (!parameters)
			return report(args, line, EXIT_USAGE);
	}
	if (args->all)
		parameters = json_pack("{s:b}", "all", 1);
	value = v->run ? v->run(args, &error) : client_call(args->instance, v->method, parameters, &error);
	if (!value) {
		status = report(args, error ? error : "out of memory", EXIT_FAILED);
	} else if (args->json) {
		json_dumpf(value, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		show(stdout, v->view, value);
	}
	if (value && v->fails && json_is_true(json_object_get(value, v->fails)))
		status = EXIT_FAILED;
	free(error);
	json_decref(value);
	/* A full disk or a closed pipe is a failure, too. */
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILED : status;
}

/* For the shell's completion: the words so far. */
static void complete(int count, char *const *words)
{
	const char *instance;
	char *error = NULL;
	json_t *status;
	const json_t *link;
	size_t i;

	switch (args_complete(count, words, &instance, stdout)) {
	case ARGS_WANT_INSTANCES:
		client_instances(stdout);
		break;
	case ARGS_WANT_LINKS:
		status = client_call(instance, "Status", NULL, &error);
		json_array_foreach(json_object_get(status, "links"), i, link)
		{
			if (!strcmp(json_string_value(json_object_get(link, "role")) ?: "", "lan"))
				puts(json_string_value(json_object_get(link, "name")) ?: "");
		}
		json_decref(status);
		free(error);
		break;
	default:
		break;
	}
}

int main(int argc, char **argv)
{
	char line[ERROR_LINE];
	struct args args;

	if (argc > 1 && !strcmp(argv[1], "--complete")) {
		complete(argc - 2, argv + 2);
		return EXIT_DONE;
	}
	if (args_parse(argc, argv, &args, line, sizeof(line)))
		return report(&args, line, EXIT_USAGE);
	if (args.help) {
		args_help(stdout);
		return EXIT_DONE;
	}
	if (args.version) {
		puts("mpgatectl " MPGATE_VERSION);
		return EXIT_DONE;
	}
	return args.verb->takes_command ? command_run(&args) : run(&args);
}
