/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lib/frame.h>
#include <lib/log.h>
#include <lib/version.h>
#include <mpgated/control/control.h>

#include "io.mpgate.varlink.h"
#include "org.varlink.service.varlink.h"

#define CONTROL_CALL_MAX (64UL * 1024UL) /* bytes of a call */
#define CONTROL_BACKLOG 16
#define ENDING_MS 1000 /* a daemon that was killed holds its socket for less */

static const struct control_limits default_limits = { .clients = 16, .idle_ms = 60000, .reply_ms = 10000 };

struct control {
	uv_pipe_t pipe;
	uv_loop_t *loop;
	const struct control_method *methods;
	void *arg;
	struct control_limits limits;
	struct client *clients;
	unsigned client_count;
};

/* A call that will be answered. */
struct control_call {
	struct client *client; /* NULL: it has gone */
	bool oneway;
};

/* Until its two handles are closed. While a reply is due or on its way nothing is read, so one at a time is held. */
struct client {
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	struct control *control; /* NULL once closing */
	struct client *next;
	struct frame in;
	char *reply; /* NULL: none on its way */
	struct control_call *call; /* which will be answered later, or NULL */
	unsigned open_handles;
};

static const struct {
	const char *name, *text;
} interfaces[] = {
	{ "org.varlink.service", org_varlink_service },
	{ "io.mpgate", io_mpgate },
};
#define INTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

/* --- what every varlink service answers */

static json_t *error_reply(const char *error, const char *key, const char *value)
{
	return json_pack("{s:s, s:{s:s}}", "error", error, "parameters", key, value);
}

static json_t *get_info(void)
{
	json_t *names = json_array();

	for (size_t i = 0; i < INTERFACES; i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	return json_pack("{s:{s:s, s:s, s:s, s:s, s:o}}", "parameters", "vendor", "mpgate", "product", "mpgated",
			 "version", MPGATE_VERSION, "url", "", "interfaces", names);
}

static json_t *get_description(const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));

	if (!name)
		return error_reply(CONTROL_INVALID_PARAMETER, "parameter", "interface");
	for (size_t i = 0; i < INTERFACES; i++) {
		if (!strcmp(interfaces[i].name, name))
			return json_pack("{s:{s:s}}", "parameters", "description", interfaces[i].text);
	}
	return error_reply("org.varlink.service.InterfaceNotFound", "interface", name);
}

/* --- calls */

/* What a method came to: result, or else an error with its reason, which is freed. */
static json_t *method_reply(json_t *result, const char *error, char *why)
{
	json_t *reply;

	if (result)
		reply = json_pack("{s:o}", "parameters", result);
	else if (error && !strcmp(error, CONTROL_INVALID_PARAMETER))
		reply = error_reply(error, "parameter", why ? why : "");
	else
		reply = error_reply(error ? error : CONTROL_FAILED, "reason", why ? why : "failed");
	free(why);
	return reply;
}

/* Sets off a method that will answer. NULL, or an error's reply. */
static json_t *start_method(const struct control_method *m, void *arg, const json_t *parameters, struct client *cl,
			    bool oneway)
{
	struct control_call *call = calloc(1, sizeof(*call));
	int err = -ENOMEM;

	if (call) {
		*call = (struct control_call){ cl, oneway };
		err = m->start(arg, parameters, call);
	}
	if (err) {
		free(call);
		return err == -EINVAL ? method_reply(NULL, CONTROL_INVALID_PARAMETER, NULL)
				      : method_reply(NULL, CONTROL_FAILED, strdup(strerror(-err)));
	}
	cl->call = call;
	return NULL;
}

static json_t *call_method(const struct control_method *m, void *arg, const json_t *parameters)
{
	const char *error = NULL;
	char *why = NULL;
	json_t *result = m->call(arg, parameters, &error, &why);

	return method_reply(result, error, why);
}

/* The process that opened the connection, as the kernel noted it; 0: it cannot be seen from here. */
static pid_t client_process(const struct client *cl)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&cl->pipe, &fd) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	return peer.pid;
}

static json_t *call_about(const struct control_method *m, void *arg, const struct client *cl)
{
	const char *error = NULL;
	char *why = NULL;
	json_t *result = m->about(arg, client_process(cl), &error, &why);

	return method_reply(result, error, why);
}

/* cl: who asks, NULL where nobody could take an answer later. The reply, or NULL: it comes later. */
static json_t *dispatch(const struct control_method *m, void *arg, const char *name, const json_t *parameters,
			struct client *cl, bool oneway)
{
	if (!strcmp(name, "org.varlink.service.GetInfo"))
		return get_info();
	if (!strcmp(name, "org.varlink.service.GetInterfaceDescription"))
		return get_description(parameters);
	for (; m->name; m++) {
		if (strcmp(m->name, name) != 0)
			continue;
		if (m->call)
			return call_method(m, arg, parameters);
		if (cl && m->about)
			return call_about(m, arg, cl);
		if (cl)
			return start_method(m, arg, parameters, cl, oneway);
	}
	return error_reply("org.varlink.service.MethodNotFound", "method", name);
}

static bool absent_or_bool(const json_t *call, const char *key)
{
	const json_t *v = json_object_get(call, key);

	return !v || json_is_boolean(v);
}

/* control_answer() for a client, or NULL. -EINPROGRESS: the answer comes later. */
static int answer(const struct control_method *methods, void *arg, const char *message, size_t len, struct client *cl,
		  char **text)
{
	json_t *call = json_loadb(message, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *parameters = json_object_get(call, "parameters");
	const char *method = json_string_value(json_object_get(call, "method"));
	json_t *reply;
	int err = 0;
	bool oneway;

	if (!method || (parameters && !json_is_object(parameters)) || !absent_or_bool(call, "oneway") ||
	    !absent_or_bool(call, "more") || !absent_or_bool(call, "upgrade")) {
		json_decref(call);
		return -EBADMSG;
	}
	oneway = json_is_true(json_object_get(call, "oneway"));
	reply = dispatch(methods, arg, method, parameters, cl, oneway);
	*text = NULL;
	if (!reply && cl && cl->call) {
		err = -EINPROGRESS;
	} else if (!oneway) {
		*text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
		err = *text ? 0 : -ENOMEM;
	}
	json_decref(reply);
	json_decref(call);
	return err;
}

int control_answer(const struct control_method *methods, void *arg, const char *message, size_t len, char **text)
{
	return answer(methods, arg, message, len, NULL, text);
}

/* --- clients */

static void client_handle_closed(uv_handle_t *handle)
{
	struct client *cl = handle->data;

	if (--cl->open_handles)
		return;
	frame_free(&cl->in);
	free(cl->reply);
	free(cl);
}

static void client_close(struct client *cl)
{
	struct client **at;

	if (!cl->control)
		return;
	for (at = &cl->control->clients; *at != cl; at = &(*at)->next)
		;
	*at = cl->next;
	cl->control->client_count--;
	cl->control = NULL;
	if (cl->call)
		cl->call->client = NULL;
	uv_close((uv_handle_t *)&cl->pipe, client_handle_closed);
	uv_close((uv_handle_t *)&cl->timer, client_handle_closed);
}

static void client_late(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void client_await_call(struct client *cl)
{
	uv_timer_start(&cl->timer, client_late, cl->control->limits.idle_ms, 0);
}

static void client_serve(struct client *cl);

static void client_written(uv_write_t *write, int status)
{
	struct client *cl = write->data;

	free(cl->reply);
	cl->reply = NULL;
	if (status < 0)
		client_close(cl);
	if (!cl->control)
		return;
	client_await_call(cl);
	client_serve(cl);
}

static int client_send(struct client *cl, char *text)
{
	uv_buf_t buf = uv_buf_init(text, strlen(text) + 1);
	int err;

	cl->reply = text;
	err = uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &buf, 1, client_written);
	if (!err)
		uv_timer_start(&cl->timer, client_late, cl->control->limits.reply_ms, 0);
	return err;
}

static void client_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *cl = handle->data;
	size_t size = 0;
	char *room = frame_room(&cl->in, &size);

	(void)suggested;
	*buf = uv_buf_init(room, room ? size : 0);
}

/* No room (a message that is too long) arrives here as an error, like the end of the stream. */
static void client_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *cl = stream->data;

	(void)buf;
	if (n < 0) {
		client_close(cl);
		return;
	}
	frame_filled(&cl->in, n);
	client_serve(cl);
}

/* Answers what is complete, until a reply is due or on its way; else waits for more. */
static void client_serve(struct client *cl)
{
	char *message, *text;
	size_t len;

	while (!cl->reply && !cl->call && (message = frame_next(&cl->in, &len))) {
		int err = answer(cl->control->methods, cl->control->arg, message, len, cl, &text);

		if (err == -EINPROGRESS)
			uv_timer_stop(&cl->timer);
		else if (err || (text && client_send(cl, text))) {
			client_close(cl);
			return;
		} else if (!text)
			client_await_call(cl);
	}
	if (cl->reply || cl->call)
		uv_read_stop((uv_stream_t *)&cl->pipe);
	else
		uv_read_start((uv_stream_t *)&cl->pipe, client_room, client_read);
}

void control_reply(struct control_call *call, json_t *result, const char *error, char *why)
{
	json_t *reply = method_reply(result, error, why);
	struct client *cl = call->client;
	char *text = NULL;

	if (cl && !call->oneway)
		text = json_dumps(reply, JSON_COMPACT);
	if (cl) {
		cl->call = NULL;
		if ((!text && !call->oneway) || (text && client_send(cl, text))) {
			client_close(cl);
		} else {
			if (!text)
				client_await_call(cl);
			client_serve(cl);
		}
	}
	json_decref(reply);
	free(call);
}

static void client_new(uv_stream_t *server, int status)
{
	struct control *c = server->data;
	struct client *cl;

	if (status < 0)
		return;
	cl = calloc(1, sizeof(*cl));
	if (!cl)
		return;
	cl->in.max = CONTROL_CALL_MAX;
	cl->control = c;
	cl->pipe.data = cl->timer.data = cl->write.data = cl;
	uv_pipe_init(c->loop, &cl->pipe, 0);
	uv_timer_init(c->loop, &cl->timer);
	cl->open_handles = 2;
	cl->next = c->clients;
	c->clients = cl;
	c->client_count++;
	if (uv_accept(server, (uv_stream_t *)&cl->pipe) || c->client_count > c->limits.clients) {
		client_close(cl);
		return;
	}
	client_await_call(cl);
	client_serve(cl);
}

/* --- the socket */

/*
 * Whether nobody listens at this path, so that a socket there is removed. One of a daemon that was killed is open for a
 * moment longer, until the last of its threads has ended: who is connected then sees the end. 0 or -errno.
 */
static int remove_stale(const struct sockaddr_un *sun)
{
	struct pollfd end = { 0 };
	int err = 0;

	for (unsigned i = 0; i < 2 && !err; i++) {
		/* A queue that is full does not keep us. */
		end.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (end.fd < 0)
			return -errno;
		err = connect(end.fd, (const struct sockaddr *)sun, sizeof(*sun)) ? errno : 0;
		if (!err && !i && poll(&end, 1, ENDING_MS) == 0)
			err = EADDRINUSE;
		close(end.fd);
	}
	if (err == ENOENT)
		return 0;
	if (err != ECONNREFUSED)
		return err && err != EAGAIN ? -err : -EADDRINUSE;
	return unlink(sun->sun_path) ? -errno : 0;
}

static int bind_and_listen(struct control *c, const char *path)
{
	mode_t before;
	int err;

	/* 0600 from the start: there is no moment in which others could connect. */
	before = umask(0177);
	err = uv_pipe_bind(&c->pipe, path);
	umask(before);
	return err ? err : uv_listen((uv_stream_t *)&c->pipe, CONTROL_BACKLOG, client_new);
}

static void control_freed(uv_handle_t *handle)
{
	free(handle->data);
}

int control_open_at(uv_loop_t *loop, const char *path, const struct control_limits *limits,
		    const struct control_method *methods, void *arg, struct control **out)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct control *c;
	int err;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		log_error("control socket %s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	strcpy(sun.sun_path, path);
	err = remove_stale(&sun);
	if (err) {
		log_error("control socket %s: %s", path,
			  err == -EADDRINUSE ? "another daemon of this instance is running" : strerror(-err));
		return err;
	}
	/* libuv writes without MSG_NOSIGNAL: a client that hangs up would end the daemon. */
	signal(SIGPIPE, SIG_IGN);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->methods = methods;
	c->arg = arg;
	c->limits = *limits;
	uv_pipe_init(loop, &c->pipe, 0);
	c->pipe.data = c;
	err = bind_and_listen(c, path);
	if (err) {
		log_error("control socket %s: %s", path, uv_strerror(err));
		uv_close((uv_handle_t *)&c->pipe, control_freed);
		return err;
	}
	*out = c;
	return 0;
}

int control_open(uv_loop_t *loop, const char *instance, const struct control_method *methods, void *arg,
		 struct control **out)
{
	char path[sizeof(CONTROL_DIR) + NAME_MAX];

	if (mkdir(CONTROL_DIR, 0755) && errno != EEXIST) {
		int err = -errno;

		log_error("directory %s: %s", CONTROL_DIR, strerror(-err));
		return err;
	}
	if (snprintf(path, sizeof(path), "%s/%s.sock", CONTROL_DIR, instance) >= (int)sizeof(path)) {
		log_error("instance %s: the name is too long", instance);
		return -ENAMETOOLONG;
	}
	return control_open_at(loop, path, &default_limits, methods, arg, out);
}

void control_close(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_close(c->clients);
	uv_close((uv_handle_t *)&c->pipe, control_freed);
}
