/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <lib/frame.h>
#include <mpgatectl/client.h>

#define SOCKET_DIR "/run/mpgate/"
#define SOCKET_END ".sock"
#define LEFT_BY "instance "
#define REPLY_MAX (16UL * 1024UL * 1024UL) /* bytes; the daemon bounds its lists far below */
#define REPLY_TIMEOUT 30 /* seconds without a byte of the reply */

static int __attribute__((format(printf, 2, 3))) fail(char **error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(error, fmt, ap) < 0)
		*error = NULL;
	va_end(ap);
	return -1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = REPLY_TIMEOUT };
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (const struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Has a daemon of that instance been killed, and has left its settings? Its file says so (mpgated/paths/originals.h).
 */
static bool has_left(const char *instance)
{
	char line[256 + sizeof(LEFT_BY)], *end;
	bool found = false;
	glob_t g = { 0 };

	glob(SOCKET_DIR "net-*", 0, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc && !found; i++) {
		FILE *f = fopen(g.gl_pathv[i], "re");

		while (f && !found && fgets(line, sizeof(line), f)) {
			end = strchr(line, '\n');
			if (end)
				*end = '\0';
			found = !strncmp(line, LEFT_BY, strlen(LEFT_BY)) && !strcmp(line + strlen(LEFT_BY), instance);
		}
		if (f)
			fclose(f);
	}
	globfree(&g);
	return found;
}

static int connect_instance(const char *instance, char **error)
{
	char path[sizeof(SOCKET_DIR) + sizeof(SOCKET_END) + 256];
	int fd;

	snprintf(path, sizeof(path), SOCKET_DIR "%s" SOCKET_END, instance);
	fd = connect_to(path);
	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd < 0 ? fail(error, "%s: %s", path, strerror(-fd)) : fd;
	if (has_left(instance))
		return fail(error,
			    "no daemon runs as instance %s, and one that was killed left its settings: mpgated --clean "
			    "%s puts them back",
			    instance, instance);
	return fail(error, "no daemon runs as instance %s", instance);
}

void client_instances(FILE *out)
{
	glob_t g = { 0 };

	if (glob(SOCKET_DIR "*" SOCKET_END, 0, NULL, &g))
		g.gl_pathc = 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *name = g.gl_pathv[i] + strlen(SOCKET_DIR);

		fprintf(out, "%.*s\n", (int)(strlen(name) - strlen(SOCKET_END)), name);
	}
	globfree(&g);
}

/* The only daemon that answers. Sockets that dead ones left do not count. */
static int connect_only(char **error)
{
	char names[256] = "";
	int fd = -1, err = 0;
	unsigned found = 0;
	glob_t g = { 0 };

	if (glob(SOCKET_DIR "*" SOCKET_END, 0, NULL, &g))
		g.gl_pathc = 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *name = g.gl_pathv[i] + strlen(SOCKET_DIR);
		int one = connect_to(g.gl_pathv[i]);
		size_t len = strlen(names);

		if (one < 0) {
			err = one == -ECONNREFUSED ? err : one;
			continue;
		}
		snprintf(names + len, sizeof(names) - len, "%s%.*s", len ? ", " : "",
			 (int)(strlen(name) - strlen(SOCKET_END)), name);
		if (fd >= 0)
			close(fd);
		fd = one;
		found++;
	}
	globfree(&g);
	if (found == 1)
		return fd;
	if (found) {
		close(fd);
		return fail(error, "several daemons run, choose one with -i: %s", names);
	}
	return err ? fail(error, "%s: %s", SOCKET_DIR, strerror(-err)) : fail(error, "no daemon runs here");
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

/* The next message; points into f. */
static char *receive(int fd, struct frame *f, size_t *len, char **error)
{
	char *message;

	while (!(message = frame_next(f, len))) {
		size_t size;
		char *room = frame_room(f, &size);
		ssize_t n = room ? recv(fd, room, size, 0) : -1;

		if (n <= 0) {
			fail(error, "the daemon %s",
			     !room	       ? "sent more than can be taken"
			     : !n	       ? "hung up"
			     : errno == EAGAIN ? "does not answer"
					       : strerror(errno));
			return NULL;
		}
		frame_filled(f, n);
	}
	return message;
}

static json_t *reply_value(const json_t *reply, char **error)
{
	const json_t *name = json_object_get(reply, "error");
	json_t *value = json_object_get(reply, "parameters");
	const char *reason = json_string_value(json_object_get(value, "reason"));

	if (!json_is_object(reply) || (value && !json_is_object(value))) {
		fail(error, "the daemon's answer is not understood");
		return NULL;
	}
	if (!name)
		return value ? json_incref(value) : json_object();
	if (!reason)
		reason = json_string_value(json_object_get(value, "parameter"));
	if (reason && !strcmp(json_string_value(name), "io.mpgate.Failed"))
		fail(error, "%s", reason);
	else
		fail(error, "%s%s%s", json_string_value(name), reason ? ": " : "", reason ? reason : "");
	return NULL;
}

static json_t *exchange(int fd, const char *call, char **error)
{
	struct frame f = { .max = REPLY_MAX };
	json_t *value = NULL;
	json_t *reply;
	char *message;
	size_t len;
	int err = send_all(fd, call, strlen(call) + 1);

	if (err) {
		fail(error, "the daemon does not take the call: %s", strerror(-err));
		return NULL;
	}
	message = receive(fd, &f, &len, error);
	if (message) {
		reply = json_loadb(message, len, 0, NULL);
		value = reply_value(reply, error);
		json_decref(reply);
	}
	frame_free(&f);
	return value;
}

json_t *client_call(const char *instance, const char *method, json_t *parameters, char **error)
{
	json_t *call = json_pack("{s:s+, s:o*}", "method", "io.mpgate.", method, "parameters", parameters);
	char *text = call ? json_dumps(call, JSON_COMPACT) : NULL;
	json_t *value = NULL;
	int fd;

	json_decref(call);
	*error = NULL;
	if (!text)
		return NULL;
	fd = instance ? connect_instance(instance, error) : connect_only(error);
	if (fd >= 0) {
		value = exchange(fd, text, error);
		close(fd);
	}
	free(text);
	return value;
}
