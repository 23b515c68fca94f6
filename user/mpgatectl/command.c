/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgatectl/client.h>
#include <mpgatectl/command.h>

/* As env(1) and shells have it. */
#define EXIT_NOT_EXECUTED 126
#define EXIT_NOT_FOUND 127

/* Makes that cgroup, if it is not there, and moves this process into it. Like client_call() on failure. */
static bool enter_group(const char *path, char **error)
{
	int dir = mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int procs = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	bool done = procs >= 0 && write(procs, "0", 1) == 1;

	if (!done && asprintf(error, "%s: %s", path, strerror(errno)) < 0)
		*error = NULL;
	if (procs >= 0)
		close(procs);
	if (dir >= 0)
		close(dir);
	return done;
}

/* As client_call(). The daemon moves us into its cgroup or, where its unit does not let it, says which it is. */
static json_t *ask_daemon(const struct args *args, char **error)
{
	json_t *value = client_call(args->instance, args->verb->method, NULL, error);
	const char *group = json_string_value(json_object_get(value, "cgroup"));
	bool entered;

	if (!group)
		return value;
	entered = enter_group(group, error);
	json_decref(value);
	return entered ? client_call(args->instance, args->verb->method, NULL, error) : NULL;
}

int command_run(const struct args *args)
{
	char *error = NULL;
	json_t *value = ask_daemon(args, &error);
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
