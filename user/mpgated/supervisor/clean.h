/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a daemon that was killed and is not to start again: everything is put back as an orderly stop would have. */
#ifndef MPGATED_CLEAN_H
#define MPGATED_CLEAN_H

/* Of that instance, in this network namespace. The process's exit code; what is done, and why it is not, is logged. */
int supervisor_clean(const char *instance);

#endif
