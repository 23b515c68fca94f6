/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /metrics over HTTP: a process of its own, since its parser is for whoever can reach the address. It is nobody, holds
 * one listener, and asks the supervisor for the text (MSG_METRICS). What it serves or does not holds up nobody else.
 */
#ifndef MPGATED_HTTP_H
#define MPGATED_HTTP_H

/* The process that is started as START_METRICS; its first packet is one byte, with the listener. Never returns. */
void http_main(void) __attribute__((noreturn));

#endif
