/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings on their way to an IPFIX collector, over UDP or TCP (RFC 7011, 10). A collector that is away costs records.
 */
#ifndef MPGATED_EXPORT_H
#define MPGATED_EXPORT_H

#include <lib/ipfix.h>
#include <mpgated/ipc/shared.h>

struct export
{
	struct sockaddr_storage to;
	socklen_t to_len; /* 0: nothing is exported */
	bool tcp;
	uint32_t domain;
	int fd; /* -1: none */
	bool connecting;
	bool told; /* that it does not get there */
	uint64_t now; /* ms, of the present turn */
	uint64_t retry; /* ms: when it is dialed anew; connecting: when that is given up */
	uint64_t templates; /* ms: when they are due again; 0: now */
	uint32_t sequence; /* of the next record */
	struct ipfix message; /* without records: none is being made */
	size_t sent; /* bytes of it that a TCP socket has taken; with `waits` */
	bool waits; /* it is complete, and the socket takes no more now */
	struct logger_stats *stats;
};

void export_open(struct export *e, const struct logger_start *start, struct logger_stats *stats);
/* Dials, and sends what waits, as far as that is due. now: ms, of a clock that does not step. */
void export_turn(struct export *e, uint64_t now);
/* Does the next record have to wait until a socket is ready (e->fd is writable, or some ms have passed)? */
bool export_is_busy(const struct export *e);
/*
 * Sends a record, sooner or later, or counts it as lost. Not while it is busy; false: now it is, and the record is to
 * be put again.
 */
bool export_put(struct export *e, const struct mapping *m);
void export_flush(struct export *e);

#endif
