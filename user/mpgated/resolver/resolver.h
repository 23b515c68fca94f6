/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks DNS where peers are (ipc/resolve.h): a process of its own, since the answers are strangers'. It is nobody, and
 * can do no more than speak UDP and TCP. The name servers are those of /etc/resolv.conf when it starts.
 */
#ifndef MPGATED_RESOLVER_H
#define MPGATED_RESOLVER_H

/* The process that is started as START_RESOLVER; its first packet is struct resolve_start. Never returns. */
void resolver_main(void) __attribute__((noreturn));

#endif
