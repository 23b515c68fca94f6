// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A leg of a connection: its socket, what epoll reports of it, and the bytes
 * that wait for it to become writable. Those of all legs are counted, and
 * bounded by limits.buffer-mib.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/conn.h>

static int keep(struct worker *w, struct parked *p, const uint8_t *data, size_t len)
{
	uint8_t *mem;

	mem = malloc(p->len + len);
	if (!mem)
		return -ENOMEM;
	if (p->len)
		memcpy(mem, p->data + p->off, p->len);
	memcpy(mem + p->len, data, len);
	free(p->data);
	p->data = mem;
	p->off = 0;
	p->len += (uint32_t)len;
	w->parked_bytes += len;
	return 0;
}

int park(struct worker *w, struct parked *p, const uint8_t *data, size_t len)
{
	return w->parked_bytes + len > w->snap->buffer_bytes ? -ENOBUFS : keep(w, p, data, len);
}

void unpark(struct worker *w, struct parked *p)
{
	w->parked_bytes -= p->len;
	free(p->data);
	memset(p, 0, sizeof(*p));
}

/* Bytes written, 0 when the socket is full. */
static ssize_t write_some(struct leg *l, const uint8_t *data, size_t len)
{
	ssize_t n = tcp_send(l->fd, data, len);

	if (n == -EAGAIN)
		n = 0;
	if (n >= 0 && (size_t)n < len)
		l->out = false;
	return n;
}

/* Writes at most `most` bytes of what is parked, in one call. */
static int flush_some(struct worker *w, struct leg *l, uint32_t most)
{
	struct parked *p = &l->parked;
	ssize_t n = write_some(l, p->data + p->off, p->len < most ? p->len : most);

	if (n < 0)
		return (int)n;
	p->off += (uint32_t)n;
	p->len -= (uint32_t)n;
	w->parked_bytes -= (uint64_t)n;
	return 0;
}

int leg_flush(struct worker *w, struct leg *l)
{
	struct parked *p = &l->parked;
	int ret = 0;

	while (!ret && p->len && l->out)
		ret = flush_some(w, l, p->len);
	if (!ret && !p->len && p->data)
		unpark(w, p);
	return ret;
}

int leg_flush_first(struct worker *w, struct leg *l)
{
	int ret = l->parked.len && l->out ? flush_some(w, l, FIRST_SEGMENT) : 0;

	return ret ? ret : leg_flush(w, l);
}

int leg_write(struct worker *w, struct conn *c, struct leg *l, const uint8_t *data, size_t len)
{
	ssize_t n = 0;
	int ret;

	if (!l->parked.len && l->out) {
		n = write_some(l, data, len);
		if (n < 0)
			return (int)n;
	}
	if ((size_t)n == len)
		return 0;
	data += n;
	len -= (size_t)n;
	/* What a little read leaves over is kept in any case: the bytes are out of the kernel. */
	ret = len <= RELAY_LITTLE ? keep(w, &l->parked, data, len) : park(w, &l->parked, data, len);
	return ret ? ret : leg_watch_out(w, c, l);
}

int leg_write_first(struct worker *w, struct conn *c, struct leg *l, const uint8_t *data, size_t len)
{
	size_t first = len < FIRST_SEGMENT ? len : FIRST_SEGMENT;
	int ret = leg_write(w, c, l, data, first);

	return ret || first == len ? ret : leg_write(w, c, l, data + first, len - first);
}

void leg_accepted(struct leg *l, int fd, bool mptcp)
{
	*l = (struct leg){ .fd = fd, .mptcp = mptcp, .in = true, .out = true };
}

void leg_dialed(struct leg *l, int fd, bool mptcp)
{
	*l = (struct leg){ .fd = fd, .mptcp = mptcp, .dialed = true };
}

bool leg_was_reset(struct leg *l, int err)
{
	l->broken |= err == ECONNRESET || err == EPIPE;
	return l->broken;
}

int leg_shutdown(struct worker *w, struct conn *c, struct leg *l)
{
	l->unsent = l->mptcp && !tcp_may_shutdown(l->fd);
	/* Where the handshake is not over, its end is what is waited for, see leg_settle(). */
	if (l->unsent && l->young)
		return leg_watch_out(w, c, l);
	if (l->unsent) {
		/* Once: a kernel that does not know it says at once that there is room. */
		if (l->asked_sent)
			return 0;
		tcp_tell_sent(l->fd);
		l->asked_sent = l->watched_out = true;
		return leg_watch_again(w, c, l);
	}
	l->shut = true;
	return tcp_shutdown(l->fd);
}

void leg_close(struct worker *w, struct leg *l, bool reset)
{
	if (l->parked.data)
		unpark(w, &l->parked);
	if (l->fd < 0)
		return;
	if (reset)
		tcp_reset(l->fd, l->mptcp);
	else
		tcp_close(l->fd);
	l->fd = -1;
	l->full = false;
}

/* Being writable is reported where it is waited for: it wakes us with each acknowledgement. */
static uint32_t events_of(const struct leg *l)
{
	return EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | (l->watched_out ? EPOLLOUT : 0);
}

static uint64_t tag_of(const struct conn *c, const struct leg *l)
{
	return (uint64_t)(uintptr_t)c | (l == &c->peer ? TAG_PEER : 0);
}

int leg_watch(struct worker *w, struct conn *c, struct leg *l)
{
	l->watched_out = l->dialed || l->young;
	fault_covers(l->fd);
	return io_watch(w->epoll, l->fd, events_of(l), tag_of(c, l));
}

int leg_watch_again(struct worker *w, struct conn *c, struct leg *l)
{
	return io_watch_again(w->epoll, l->fd, events_of(l), tag_of(c, l));
}

int leg_watch_out(struct worker *w, struct conn *c, struct leg *l)
{
	if (l->watched_out)
		return 0;
	l->watched_out = true;
	return io_watch_again(w->epoll, l->fd, events_of(l), tag_of(c, l));
}

/*
 * Linux does not send what is written to an MPTCP socket between a SYN with data and the third packet of the handshake,
 * nor does that packet set it off. It wakes epoll, though; then setting TCP_NODELAY once more sends what waits.
 */
void leg_settle(struct leg *l)
{
	if (!l->young || tcp_in_handshake(l->fd))
		return;
	l->young = false;
	tcp_nodelay(l->fd);
}
