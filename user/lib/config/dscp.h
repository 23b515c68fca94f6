/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of DSCP values (the IANA registry of differentiated services code points). */
#ifndef LIB_CONFIG_DSCP_H
#define LIB_CONFIG_DSCP_H

#define DSCP_COUNT 64

/* "46" or "ef", any case. The value, or -EINVAL. */
int dscp_parse(const char *text);
/* The names one by one, from 0 on; NULL behind the last. */
const char *dscp_name(unsigned i);

#endif
