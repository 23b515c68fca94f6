// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/offer.h>

#include <errno.h>
#include <string.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

static const uint8_t supported_kinds[] = { 30, 4, 8 }; /* MPTCP, SACK permitted, Timestamps (6.2.4) */

/* What the answer owes a client that asks for options is read by a BPF program; without it none can be served. */
static bool serves_options(const struct worker *w)
{
	return w->synack_fd >= 0;
}

void offer_put(const struct worker *w, struct convert_writer *wr)
{
	/* A converter lists MPTCP in any case. */
	convert_put_extensions(wr, supported_kinds, serves_options(w) ? sizeof(supported_kinds) : 1);
}

int offer_check(const struct worker *w, const struct convert_msg *m, bool *mptcp, uint8_t *bad, size_t *bad_count)
{
	struct convert_bytes value;
	size_t at = 0;
	uint8_t kind;
	int ret;

	*mptcp = false;
	*bad_count = 0;
	while ((ret = convert_options_next(&m->tcp_options, &at, &kind, &value)) > 0) {
		bool ok = serves_options(w) && !value.len && memchr(supported_kinds, kind, sizeof(supported_kinds));

		if (!ok && *bad_count < 255)
			bad[(*bad_count)++] = kind;
		*mptcp |= ok && kind == 30;
	}
	if (ret < 0)
		return -EINVAL;
	return *bad_count ? -EOPNOTSUPP : 0;
}

bool offer_joins(const struct worker *w, int fd)
{
	const struct mpgate_addr *join = snapshot_at(w->snap, w->snap->join_to);
	struct mpgate_addr local;
	__be16 port;

	if (!w->snap->join_to.count || tcp_local(fd, &local, &port) < 0)
		return false;
	for (unsigned i = 0; i < w->snap->join_to.count; i++)
		if (!memcmp(&join[i], &local, sizeof(local)))
			return false;
	return true;
}
