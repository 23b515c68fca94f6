/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tells this instance from every other that may hold the same key: the
 * end ids in its cookies are made from it (docs/protocol.md). It is the same
 * after each start on a machine that has an /etc/machine-id.
 */
#ifndef MPGATED_IDENTITY_H
#define MPGATED_IDENTITY_H

#include <stddef.h>

#define IDENTITY_MAX 128 /* bytes: the machine's id, and the name of the instance */

/* Fills out from a machine-id file and the instance's name; random without such a file. Its length, or -errno. */
int identity_read(const char *machine_id, const char *instance, char out[IDENTITY_MAX]);

#endif
