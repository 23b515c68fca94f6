// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/descriptors.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <lib/log.h>
#include <mpgated/worker/conn.h>

#define A_CONNECTION 2UL /* towards the client and towards the peer */
#define A_PROBE 1UL
#define OTHERS 64UL /* maps, links and sockets of either kind of process */
#define A_WORKER 16UL /* what the supervisor keeps of one: listeners, a socket */

unsigned long descriptors_needed(const struct config *cfg, unsigned workers)
{
	unsigned long own = OTHERS + workers * A_WORKER, worker = OTHERS;

	worker += (cfg->limits.connections + workers - 1) / workers * A_CONNECTION;
	for (unsigned i = 0; i < cfg->peer_count; i++) {
		own += config_dials(&cfg->peers[i]) ? A_PROBE : 0;
		worker += cfg->peers[i].ready;
	}
	if (cfg->convert.listening)
		worker += 2 * strangers_pool((cfg->limits.connections + workers - 1) / workers);
	worker += reserve_size(worker);
	return own > worker ? own : worker;
}

void descriptors_raise(const struct config *cfg, unsigned workers)
{
	unsigned long need = descriptors_needed(cfg, workers);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		log_warn("the limit of descriptors: %s", strerror(errno));
		return;
	}
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			log_warn("the limit of descriptors cannot be raised: %s", strerror(errno));
	}
	if (limit.rlim_max < need)
		log_warn("limits.connections: %u on %u workers need %lu descriptors a process, and it may open %lu "
			 "(ulimit -Hn, LimitNOFILE=): fewer fit",
			 cfg->limits.connections, workers, need, (unsigned long)limit.rlim_max);
}
