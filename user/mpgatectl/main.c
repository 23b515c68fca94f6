/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mpgatectl: the operator's tool. Exit 0 done, 1 failed, 2 usage. */
#include <stdlib.h>
#include <string.h>

#include <lib/version.h>
#include <mpgatectl/args.h>
#include <mpgatectl/client.h>
#include <mpgatectl/command.h>
#include <mpgatectl/complete.h>
#include <mpgatectl/help.h>
#include <mpgatectl/names.h>
#include <mpgatectl/show.h>
#include <mpgatectl/top.h>
#include <mpgatectl/width.h>

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

#define ERROR_LINE 256 /* bytes of a message about the command line */

/* The fields of value behind the number that says what they are like. */
static void print_json(json_t *value, size_t flags)
{
	json_t *all = json_pack("{s:i}", "schema", MPGATE_SCHEMA);

	json_object_update(all, value);
	json_dumpf(all, stdout, flags);
	putchar('\n');
	json_decref(all);
}

static int report(const struct args *args, const char *error, int status)
{
	json_t *value;

	if (args->json) {
		value = json_pack("{s:s}", "error", error);
		print_json(value, JSON_COMPACT);
		json_decref(value);
		return status;
	}
	fprintf(stderr, "mpgatectl: %s\n", error);
	if (status == EXIT_USAGE && args->noun)
		help(stderr, NULL, args->noun);
	else if (status == EXIT_USAGE && args->verb)
		fprintf(stderr, "mpgatectl %s%s%s --help has its options\n", args->verb->noun,
			args->verb->verb ? " " : "", args->verb->verb ? args->verb->verb : "");
	else if (status == EXIT_USAGE)
		fputs("mpgatectl --help lists the commands\n", stderr);
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

	if (v->ask) {
		parameters = v->ask(args, line, sizeof(line));
		if (!parameters)
			return report(args, line, EXIT_USAGE);
	}
	value = v->run ? v->run(args, &error) : client_call(args->instance, v->method, parameters, &error);
	if (value && v->shape)
		v->shape(args, value);
	if (value && v->chosen && !json_array_size(json_object_get(value, v->chosen)) && names_wrong(args, &error)) {
		json_decref(value);
		value = NULL;
	}
	if (!value)
		status = report(args, error ? error : "out of memory", EXIT_FAILED);
	else if (args->json)
		print_json(value, JSON_INDENT(2));
	else if (v->view)
		show(stdout, width_of(stdout), v->view, value);
	if (value && v->fails && json_is_true(json_object_get(value, v->fails)))
		status = EXIT_FAILED;
	free(error);
	json_decref(value);
	/* A full disk or a closed pipe is a failure, too. */
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
	char line[ERROR_LINE];
	struct args args;

	if (argc > 1 && !strcmp(argv[1], "--complete")) {
		complete(argc - 2, argv + 2, stdout);
		return EXIT_DONE;
	}
	if (args_parse(argc, argv, &args, line, sizeof(line)))
		return report(&args, line, EXIT_USAGE);
	if (args.version) {
		puts("mpgatectl " MPGATE_VERSION);
		return EXIT_DONE;
	}
	if (args.help) {
		help(stdout, args.verb, args.noun);
		return EXIT_DONE;
	}
	if (args.verb->is_live)
		return top_run(args.instance) ? EXIT_FAILED : EXIT_DONE;
	return args.verb->takes_command ? command_run(&args) : run(&args);
}
