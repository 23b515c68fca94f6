/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of mappings: a process of its own, so that neither a worker nor the supervisor waits for a disk or for a
 * collector. It empties the workers' rings several times a second, into lines of text and messages of IPFIX. It is
 * nobody, and can open no file; to its collector it may dial anew.
 */
#ifndef MPGATED_LOGGER_H
#define MPGATED_LOGGER_H

/* The process that is started as START_LOGGER; its first packet is a struct logger_start. Never returns. */
void logger_main(void) __attribute__((noreturn));

#endif
