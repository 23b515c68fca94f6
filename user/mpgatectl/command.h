/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `run`: another program in our place. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <mpgatectl/args.h>

/*
 * Asks the daemon to carry our connections, and becomes the command, whose exit status is ours then. The command is run
 * in any case: without a daemon its connections go the normal way, and one line on standard error says so. Returns only
 * if it cannot be executed: 127 when there is none of that name, else 126, after a message.
 */
int command_run(const struct args *args);

#endif
