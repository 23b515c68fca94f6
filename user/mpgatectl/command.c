/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpgatectl/client.h>
#include <mpgatectl/command.h>

/* As env(1) and shells have it. */
#define EXIT_NOT_EXECUTED 126
#define EXIT_NOT_FOUND 127

int command_run(const struct args *args)
{
	char *error = NULL;
	json_t *value = client_call(args->instance, args->verb->method, NULL, &error);
	int err;

	if (!value)
		fprintf(stderr, "mpgatectl: %s: the command's connections go the normal way\n",
			error ? error : "out of memory");
	json_decref(value);
	free(error);
	execvp(args->command[0], args->command);
	err = errno;
	fprintf(stderr, "mpgatectl: %s: %s\n", args->command[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTED;
}
