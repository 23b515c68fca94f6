// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The relay: bytes from each side to the other. Edge-triggered: a side's `in`
 * and `out` remember what the kernel last said, so that a connection that
 * moves costs a read and a write, and none that fail.
 *
 * Bytes pass through the worker's one buffer. Only what a write did not take
 * is parked, in memory of its own, and then nothing is read from the other
 * side until it is gone: a connection parks at most RELAY_BUF a direction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mpgated/conn.h>
#include <mpgated/tcp.h>

int park(struct worker *w, struct parked *p, const uint8_t *data, size_t len)
{
	uint8_t *mem;

	if (w->parked_bytes + len > w->snap->buffer_bytes)
		return -ENOBUFS;
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

void unpark(struct worker *w, struct parked *p)
{
	w->parked_bytes -= p->len;
	free(p->data);
	memset(p, 0, sizeof(*p));
}

/* Bytes written, 0 when the socket is full. */
static ssize_t write_some(struct side *s, const uint8_t *data, size_t len)
{
	ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			return -errno;
		n = 0;
	}
	if ((size_t)n < len)
		s->out = false;
	return n;
}

int flush(struct worker *w, struct side *s)
{
	struct parked *p = &s->parked;

	while (p->len && s->out) {
		ssize_t n = write_some(s, p->data + p->off, p->len);

		if (n < 0)
			return (int)n;
		p->off += (uint32_t)n;
		p->len -= (uint32_t)n;
		w->parked_bytes -= (uint64_t)n;
	}
	if (!p->len && p->data)
		unpark(w, p);
	return 0;
}

int relay_write(struct worker *w, struct conn *c, struct side *s, const uint8_t *data, size_t len)
{
	ssize_t n = 0;
	int ret;

	if (!s->parked.len && s->out) {
		n = write_some(s, data, len);
		if (n < 0)
			return (int)n;
	}
	if ((size_t)n == len)
		return 0;
	ret = park(w, &s->parked, data + n, len - (size_t)n);
	return ret ? ret : conn_watch_out(w, c, s);
}

/*
 * Moves bytes from one side to the other until the first is dry, the second is full or the turn is over. Returns 0,
 * -EAGAIN when the turn is over, or another -errno when the connection is broken.
 */
static int pump(struct worker *w, struct conn *c, struct side *from, struct side *to, uint64_t *bytes)
{
	/* When little room is left for parked bytes, smaller reads leave less behind. */
	size_t want = w->parked_bytes < w->snap->buffer_bytes / 2 ? RELAY_BUF : RELAY_BUF / 16;
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	int ret = flush(w, to);

	for (unsigned round = 0; !ret && !to->parked.len && from->in && !from->eof; round++) {
		ssize_t n;

		if (round == RELAY_ROUNDS)
			return -EAGAIN;
		/* No room left at all: the bytes wait in the kernel, and the loop comes back in a moment. */
		if (w->parked_bytes + want > w->snap->buffer_bytes)
			return -EAGAIN;
		n = recv(from->fd, buf, want, 0);
		if (n < 0) {
			if (errno != EAGAIN)
				return -errno;
			from->in = false;
			break;
		}
		if (n == 0) {
			from->eof = true;
			break;
		}
		*bytes += (uint64_t)n;
		c->active = w->now;
		/* A short read means dry, unless the end has been announced: then only reading on will find it. */
		if ((size_t)n < want && !from->hangup)
			from->in = false;
		ret = relay_write(w, c, to, buf, (size_t)n);
	}
	if (!ret && from->eof && !to->parked.len && !to->shut) {
		to->shut = true;
		c->active = w->now;
		if (shutdown(to->fd, SHUT_WR) < 0)
			ret = -errno;
	}
	return ret;
}

int relay_up(struct worker *w, struct conn *c)
{
	uint64_t before = c->bytes_up;
	int ret = pump(w, c, &c->near, &c->far, &c->bytes_up);

	w->stats->bytes_up += c->bytes_up - before;
	return ret;
}

static int relay_down(struct worker *w, struct conn *c)
{
	uint64_t before = c->bytes_down;
	int ret;

	/* Nothing would be sent yet; see hub_settle(). */
	if (c->young)
		return 0;
	ret = pump(w, c, &c->far, &c->near, &c->bytes_down);

	w->stats->bytes_down += c->bytes_down - before;
	return ret;
}

void relay_event(struct worker *w, struct conn *c)
{
	int a = relay_up(w, c);
	int b = a && a != -EAGAIN ? a : relay_down(w, c);

	if ((a && a != -EAGAIN) || (b && b != -EAGAIN)) {
		w->stats->reset++;
		conn_close(w, c, true);
		return;
	}
	if (c->near.shut && c->far.shut) {
		w->stats->closed++;
		conn_close(w, c, false);
		return;
	}
	if (a == -EAGAIN || b == -EAGAIN)
		conn_again(w, c);
	if (c->class == TIMER_IDLE && (c->near.eof || c->far.eof))
		conn_timer(w, c, TIMER_HALF);
}

void relay_start(struct worker *w, struct conn *c)
{
	if (c->counted)
		hub_forget(w, c);
	unpark(w, &c->first);
	c->state = RELAY;
	c->active = w->now;
	w->stats->relayed++;
	if (c->peer < MPGATE_MAX_PEERS)
		w->shm->relayed[w->index][c->peer]++;
	conn_timer(w, c, TIMER_IDLE);
	relay_event(w, c);
}
