/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operands of `policy explain`. No I/O. */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include <mpgatectl/args.h>

/*
 * "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80": the address into addr
 * (EXPLAIN_ADDRESS bytes), *port -1 when there is none. 0 or -EINVAL.
 */
#define EXPLAIN_ADDRESS 46
int explain_endpoint(const char *text, char *addr, int *port);
/* A verb's ask. */
json_t *explain_ask(const struct args *args, char *error, size_t size);

#endif
