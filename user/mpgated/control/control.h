/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: varlink (NUL-terminated JSON objects) on
 * /run/mpgate/<instance>.sock, interface io.mpgate. It knows the protocol and
 * the clients; what the answers say comes from control_methods.
 */
#ifndef MPGATED_CONTROL_H
#define MPGATED_CONTROL_H

#include <jansson.h>
#include <sys/types.h>
#include <uv.h>

#define CONTROL_DIR "/run/mpgate"
#define CONTROL_FAILED "io.mpgate.Failed"
#define CONTROL_INVALID_PARAMETER "org.varlink.service.InvalidParameter"

struct control_call;

/*
 * One method: parameters in (NULL: none), a new reference to the reply's parameters out. On failure NULL, with *error
 * one of the interface's error names ("io.mpgate.Failed", "org.varlink.service.InvalidParameter") and *why a malloc'ed
 * text or NULL: the reason, or the name of the parameter. No error name means io.mpgate.Failed.
 */
struct control_method {
	const char *name; /* "io.mpgate.Status" */
	json_t *(*call)(void *arg, const json_t *parameters, const char **error, char **why);
	/*
	 * In place of call, for what takes time: 0, and control_reply() follows after it has returned, exactly once;
	 * -errno: it failed, and call is gone; -EINVAL: a parameter is wrong.
	 */
	int (*start)(void *arg, const json_t *parameters, struct control_call *call);
	/* In place of call, for what is about the caller: its process. */
	json_t *(*about)(void *arg, pid_t caller, const char **error, char **why);
};

struct control;

/*
 * The answer to a call that was started: as what a method's call returns, result and why are taken over. The call is
 * gone after this, whether its client is still there or not.
 */
void control_reply(struct control_call *call, json_t *result, const char *error, char *why);

/*
 * methods ends with a NULL name and outlives the socket. A socket left by a dead daemon is replaced, a live one not
 * (-EADDRINUSE). Returns 0, or -errno after a message that names the socket.
 */
int control_open(uv_loop_t *loop, const char *instance, const struct control_method *methods, void *arg,
		 struct control **out);
/* Removes the socket and hangs up. The memory is freed by the loop, which must run on until nothing is left in it. */
void control_close(struct control *c);

/* What a client may take. */
struct control_limits {
	unsigned clients; /* at a time; one more is hung up at once */
	unsigned idle_ms; /* between two calls */
	unsigned reply_ms; /* to take a reply */
};

/* control_open() on any path, with other limits. */
int control_open_at(uv_loop_t *loop, const char *path, const struct control_limits *limits,
		    const struct control_method *methods, void *arg, struct control **out);

/*
 * Answers one message with what the methods say: 0 and the reply as malloc'ed text, NULL for a one-way call; -EBADMSG
 * when it is no call; -ENOMEM. Methods that answer later are not there.
 */
int control_answer(const struct control_method *methods, void *arg, const char *message, size_t len, char **text);

#endif
