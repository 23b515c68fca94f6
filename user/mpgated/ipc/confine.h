/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process that strangers talk to gives up, for good, once it is set up. */
#ifndef MPGATED_CONFINE_H
#define MPGATED_CONFINE_H

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define CONFINE_ARGS 3U

/* A system call that is left, with those arguments only: all `args` comparisons of `arg` must hold. */
struct confine_call {
	int call; /* SCMP_SYS() */
	unsigned args;
	struct scmp_arg_cmp arg[CONFINE_ARGS];
};

#define CONFINE_CALL(name)                                                                                             \
	{                                                                                                              \
		.call = SCMP_SYS(name)                                                                                 \
	}
/* socket() of that family and type, whatever the flags. */
#define CONFINE_SOCKET(family, type)                                                                                   \
	{                                                                                                              \
		.call = SCMP_SYS(socket), .args = 2,                                                                   \
		.arg = { { 0, SCMP_CMP_EQ, family, 0 },                                                                \
			 { 1, SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), type },               \
		}                                                                                                      \
	}

/*
 * From here on the process is the user mpgate, or nobody where there is none, with the capabilities in the mask
 * `capabilities` (1U << CAP_...) and these system calls; what else it calls is SIGSYS. exit(), abort() and what they
 * need are left to all. 0 or -errno.
 */
int confine(uint32_t capabilities, const struct confine_call *calls, size_t n);

#endif
