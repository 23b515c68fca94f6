/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `top`: what goes on, on a terminal, until a key ends it. */
#ifndef CTL_TOP_H
#define CTL_TOP_H

/*
 * instance NULL: the only one that runs. A daemon that goes away is waited for. 0, or -errno after a message: there is
 * no terminal.
 */
int top_run(const char *instance);

#endif
