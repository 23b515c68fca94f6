// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/reports.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgated/ipc/message.h>
#include <mpgated/worker/conn.h>

#define ERRNO_MAX 4095 /* as in the kernel */

const char *report_check(const struct message *m, bool descriptor, const struct report_bounds *b)
{
	static const struct mpgate_addr none;

	bool join = m->type == MSG_JOIN, copy = m->type == MSG_COPY,
	     sourced = join || copy || m->type == MSG_PROVED || m->type == MSG_BREAKS || m->type == MSG_SPEAKS;

	if (m->more > (join ? JOIN_ANNOUNCED | JOIN_NOTE : m->type == MSG_FLOWS) ||
	    (!sourced && memcmp(&m->source, &none, sizeof(none))) || (!join && !copy && m->token) ||
	    (!join && memcmp(&m->other, &none, sizeof(none))))
		return "a field that has no use is set";
	switch (m->type) {
	case MSG_PEER_FAILED:
		if (m->value < 0 || m->value > ERRNO_MAX)
			return "a peer failed with what is no error";
		break;
	case MSG_PEER_REFUSED:
		if (m->value < 0 || m->value > UINT16_MAX)
			return "a peer refused with what is no error";
		break;
	case MSG_PEER_SLOW:
	case MSG_PARKED:
		if (m->value)
			return "a field that has no use is set";
		break;
	case MSG_FULL:
		if (m->slot || m->value < 0 || m->value > 1)
			return "neither full nor not full";
		return descriptor ? "a descriptor that was not asked for" : NULL;
	case MSG_PROVED:
		if (m->slot || m->value)
			return "a field that has no use is set";
		return descriptor ? "a descriptor that was not asked for" : NULL;
	case MSG_JOIN:
		if (!m->slot || m->slot > UINT16_MAX || m->value < 0 || (unsigned)m->value > b->rules ||
		    addr_is_v4(&m->source) != addr_is_v4(&m->other))
			return "no connection";
		return descriptor ? "a descriptor that was not asked for" : NULL;
	case MSG_COPY:
		return m->slot >= b->workers || m->value < 0 || !descriptor ? "no copy of a request" : NULL;
	case MSG_BREAKS:
	case MSG_SPEAKS:
		if (m->slot || m->value < 1 || m->value > UINT16_MAX)
			return "no server";
		return descriptor ? "a descriptor that was not asked for" : NULL;
	case MSG_FLOWS:
		/* Older ones are answers that came late. */
		if (m->slot > b->question)
			return "an answer to no question";
		return m->value < 0 || m->value > (int32_t)FLOWS_MAX || (m->value && !descriptor)
			       ? "a list of flows of a wrong length"
			       : NULL;
	default:
		return "a message that workers do not send";
	}
	if (m->slot >= b->peers)
		return "a peer that does not exist";
	return descriptor ? "a descriptor that was not asked for" : NULL;
}

bool reports_read(int socket, const struct report_bounds *b, unsigned *left,
		  void (*take)(void *arg, const struct message *m, int fd), void *arg, const char **wrong)
{
	struct message m;
	int ret = 1, fd;

	*wrong = NULL;
	while (*left && !*wrong && ((ret = message_receive(socket, &m, &fd)) == 1 || ret == -EMFILE)) {
		--*left;
		/* Its descriptor is lost, and the worker is not to blame. */
		if (ret == -EMFILE)
			continue;
		*wrong = report_check(&m, fd >= 0, b);
		if (!*wrong)
			take(arg, &m, fd);
		if (fd >= 0)
			close(fd);
	}
	if (ret == -EPROTO)
		*wrong = "a packet that is no message";
	return !*wrong && (ret == 1 || ret == -EMFILE || ret == -EAGAIN || ret == -EINTR);
}

static const char *check_flow(const struct flow_record *r, const struct report_bounds *b)
{
	if (r->state >= CLOSED)
		return "a flow in no known state";
	if (r->peer > MPGATE_MAX_PEERS || (r->peer >= b->peers && r->peer != MPGATE_MAX_PEERS))
		return "a flow of a peer that does not exist";
	if (r->rule_id > b->rules)
		return "a flow of a rule that does not exist";
	if (r->hub > 1 || r->mptcp > 1 || r->half_closed > 1 || r->zero)
		return "a flow with a flag that is neither 0 nor 1";
	if (r->bytes_up > INT64_MAX || r->bytes_down > INT64_MAX)
		return "a flow with more bytes than there are";
	return NULL;
}

int report_flows(const struct message *m, int fd, const struct report_bounds *b, struct flow_record **out, unsigned *n,
		 const char **wrong)
{
	unsigned count = (unsigned)m->value;
	size_t size = count * sizeof(struct flow_record);
	struct flow_record *r;
	struct stat st;

	*out = NULL;
	*n = 0;
	if (!count)
		return 0;
	*wrong = "a list of flows that is none";
	/* Only a memfd has seals: to read it is a copy of memory. A mapping could be cut short under us; a read cannot.
	 */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || st.st_size != (off_t)size)
		return -EPROTO;
	r = malloc(size);
	if (!r)
		return -ENOMEM;
	if (pread(fd, r, size, 0) == (ssize_t)size) {
		*wrong = NULL;
		for (unsigned i = 0; i < count && !*wrong; i++)
			*wrong = check_flow(&r[i], b);
	}
	if (*wrong) {
		free(r);
		return -EPROTO;
	}
	*out = r;
	*n = count;
	return 0;
}
