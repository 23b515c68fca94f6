/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: varlink (NUL-terminated JSON objects) on
 * /run/mpgate/<instance>.sock, interface io.mpgate. It knows the protocol and
 * the clients; what the answers say comes from control_methods.
 */
#ifndef MPGATED_CONTROL_H
#define MPGATED_CONTROL_H

#include <jansson.h>
#include <uv.h>

/*
 * One method: parameters in (NULL: none), a new reference to the reply's parameters out. On failure NULL, with *error
 * one of the interface's error names ("io.mpgate.Failed", "org.varlink.service.InvalidParameter") and *why a malloc'ed
 * text or NULL.
 */
struct control_method {
	const char *name; /* "io.mpgate.Status" */
	json_t *(*call)(void *arg, const json_t *parameters, const char **error, char **why);
};

struct control;

/* methods ends with a NULL name and outlives the socket. A socket left by a dead daemon is replaced, a live one not. */
int control_open(uv_loop_t *loop, const char *instance, const struct control_method *methods, void *arg,
		 struct control **out);
void control_close(struct control *c);

#endif
