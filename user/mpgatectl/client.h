/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls to a running daemon over its control socket. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdio.h>

/*
 * Calls a method ("Status") of interface io.mpgate. instance NULL: the only one that runs. Takes the reference to
 * parameters (NULL: none). A new reference to the reply's parameters, or NULL with a malloc'ed line in *error.
 */
json_t *client_call(const char *instance, const char *method, json_t *parameters, char **error);

/* The names of the daemons that have a socket here, one a line. */
void client_instances(FILE *out);

#endif
