// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/logger/export.h>

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>

#define RETRY_MS 2000 /* from one failure to the next try */
#define DIAL_MS 5000
#define TEMPLATES_MS 60000 /* over UDP: one that starts later, or missed them, need not wait longer */

void export_open(struct export *e, const struct logger_start *start, struct logger_stats *stats)
{
	*e = (struct export){ .fd = -1, .stats = stats, .tcp = start->tcp, .domain = start->domain };
	if (start->exports)
		e->to_len = addr_to_sockaddr(&start->collector, start->port, &e->to);
}

static void lose(struct export *e, unsigned records)
{
	__atomic_add_fetch(&e->stats->records_lost, records, __ATOMIC_RELAXED);
}

static void tell(struct export *e, int err)
{
	if (e->told)
		return;
	e->told = true;
	log_warn("mapping-log: the collector does not get what is sent: %s; what is lost is counted", strerror(err));
}

/* The connection is over, with what of it may not have arrived. */
static void hang_up(struct export *e, int err)
{
	tell(e, err);
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->connecting = false;
	if (e->waits)
		lose(e, e->message.records);
	e->waits = false;
	e->message.records = 0;
	e->retry = e->now + RETRY_MS;
}

/* A new session: numbers and templates begin anew. Over UDP it is the socket that may be new. */
static void dial(struct export *e)
{
	e->fd = socket(e->to.ss_family, (e->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0) {
		hang_up(e, errno);
		return;
	}
	e->templates = 0;
	if (e->tcp)
		e->sequence = 0;
	if (connect(e->fd, (struct sockaddr *)&e->to, e->to_len) == 0)
		return;
	if (errno != EINPROGRESS) {
		hang_up(e, errno);
		return;
	}
	e->connecting = true;
	e->retry = e->now + DIAL_MS;
}

static void check_dial(struct export *e)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), size = sizeof(int);
	int err = 0;

	getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &size);
	if (err) {
		hang_up(e, err);
	} else if (getpeername(e->fd, (struct sockaddr *)&peer, &len) == 0) {
		e->connecting = false;
		if (e->told)
			log_info("mapping-log: the collector is there again");
		e->told = false;
	} else if (e->now >= e->retry) {
		hang_up(e, ETIMEDOUT);
	}
}

static void sent(struct export *e)
{
	__atomic_add_fetch(&e->stats->records, e->message.records, __ATOMIC_RELAXED);
	e->message.records = 0;
	e->waits = false;
}

/* What a TCP socket does not take waits; a datagram goes or does not. */
static void send_tcp(struct export *e)
{
	while (e->sent < e->message.len) {
		ssize_t n = send(e->fd, e->message.data + e->sent, e->message.len - e->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			e->waits = true;
			return;
		}
		if (n < 0) {
			e->waits = true;
			hang_up(e, errno);
			return;
		}
		e->sent += (size_t)n;
	}
	sent(e);
}

static void send_udp(struct export *e)
{
	/* An error of a datagram before this one is told here, and then it is tried once more. */
	ssize_t n = send(e->fd, e->message.data, e->message.len, MSG_NOSIGNAL);
	bool before = n < 0 && errno == ECONNREFUSED;

	if (before) {
		tell(e, errno);
		n = send(e->fd, e->message.data, e->message.len, MSG_NOSIGNAL);
	}
	if (n < 0)
		tell(e, errno);
	else if (!before && e->told) {
		log_info("mapping-log: the collector is there again");
		e->told = false;
	}
	/* That one was lost; whether this one arrives will be told with the next. */
	if (n < 0 || before) {
		lose(e, e->message.records);
		e->message.records = 0;
		e->templates = 0;
	} else {
		sent(e);
	}
}

void export_flush(struct export *e)
{
	if (!e->message.records || e->waits)
		return;
	ipfix_end(&e->message, (uint32_t)time(NULL));
	e->sequence += e->message.records;
	e->sent = 0;
	if (e->tcp)
		send_tcp(e);
	else
		send_udp(e);
}

void export_turn(struct export *e, uint64_t now)
{
	e->now = now;
	if (!e->to_len)
		return;
	if (e->fd < 0 && now >= e->retry)
		dial(e);
	if (e->connecting)
		check_dial(e);
	if (e->waits)
		send_tcp(e);
}

bool export_is_busy(const struct export *e)
{
	return e->connecting || e->waits;
}

bool export_put(struct export *e, const struct mapping *m)
{
	if (!e->to_len)
		return true;
	while (e->fd >= 0 && !e->waits) {
		if (!e->message.records) {
			ipfix_begin(&e->message, e->domain, e->sequence);
			if (e->now >= e->templates)
				ipfix_put_templates(&e->message);
			if (e->now >= e->templates)
				e->templates = e->tcp ? UINT64_MAX : e->now + TEMPLATES_MS;
		}
		if (ipfix_put(&e->message, m))
			return true;
		export_flush(e);
	}
	if (e->fd < 0)
		lose(e, 1);
	return e->fd < 0;
}
