/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workers' listeners, which outlive them: those of steer, and those of Convert, whose addresses may come later. */
#ifndef MPGATED_LISTEN_H
#define MPGATED_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct supervisor;

/*
 * Opens all of s->cfg->workers workers. What Convert is to listen on and no interface has by now is left out, logged,
 * and noted in s->waiting. 0, or -errno, logged.
 */
int listen_open(struct supervisor *s);
/* Opens what is waited for, as far as its address has come. True: workers have listeners that they had not. */
bool listen_again(struct supervisor *s);
/* What is accepted from here on is probed as s->cfg says. */
void listen_keepalive(const struct supervisor *s);
/* How many SYNs may wait in a listener before it answers with SYN cookies. */
unsigned listen_backlog(void);
/* Of Convert's address and port number n: why nobody listens there yet, as text; NULL: somebody does, or n is none. */
const char *listen_waits(const struct supervisor *s, unsigned n, char *text, size_t size);

#endif
