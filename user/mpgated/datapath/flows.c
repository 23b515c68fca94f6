// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of flows: which worker its clients have, and the end of what no worker took. */
#include <sys/mman.h>

#include <mpgated/datapath/internal.h>
#include <mpgated/datapath/spread.h>

#define FLOW_NS (60 * NS_PER_SECOND) /* a handshake may take that long: SYN+ACKs are repeated for a minute */
#define FLOOD_NS (10 * NS_PER_SECOND) /* the same while more than half of the table is taken */
#define SWEEP_BATCH 256U /* entries a system call; more than a bucket of the hash ever holds */
#define SWEEP_BATCHES 32U /* a call: half of a full table, some milliseconds */

int dp_flows_open(struct datapath *dp)
{
	void *map = mmap(NULL, FLOW_CLIENTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dp->map[DP_MAP_flow_clients], 0);

	if (map == MAP_FAILED) {
		int err = -errno;

		log_error("map flow_clients: %s", strerror(-err));
		return err;
	}
	dp->flow_clients = map;
	return 0;
}

void dp_flows_close(struct datapath *dp)
{
	if (dp->flow_clients)
		munmap(dp->flow_clients, FLOW_CLIENTS_SIZE);
	dp->flow_clients = NULL;
}

static int spread(struct datapath *dp)
{
	uint32_t keys[MPGATE_CLIENT_SLOTS], workers[MPGATE_CLIENT_SLOTS], count = MPGATE_CLIENT_SLOTS;
	struct bpf_map_batch_opts opts = { .sz = sizeof(opts) };
	int err;

	for (uint32_t i = 0; i < MPGATE_CLIENT_SLOTS; i++)
		keys[i] = i;
	spread_clients(dp->takes, workers);
	err = bpf_map_update_batch(dp->map[DP_MAP_client_workers], keys, workers, &count, &opts);
	if (err)
		log_error("map client_workers: %s", strerror(-err));
	return err;
}

int datapath_set_listener(struct datapath *dp, unsigned worker, __be16 port, bool alive, bool full)
{
	struct mpgate_listener l = { .port = port, .alive = alive };
	int err = 0;

	if (worker >= MPGATE_MAX_WORKERS)
		return -E2BIG;
	l.since = dp->since[worker];
	/* Never is a client sent to a worker whose listener is not told yet, or no more. */
	if (alive)
		err = dp_write_entry(dp, DP_MAP_listeners, worker, &l);
	if (!err && dp->takes[worker] != (alive && !full)) {
		dp->takes[worker] = alive && !full;
		err = spread(dp);
	}
	if (!alive && !err)
		err = dp_write_entry(dp, DP_MAP_listeners, worker, &l);
	return err;
}

/* Removes an entry that is older than that. A client may have opened the same connection anew since it was looked at.
 */
static bool expire(struct datapath *dp, const struct mpgate_tuple *tuple, uint64_t oldest)
{
	int fd = dp->map[DP_MAP_flows];
	struct mpgate_flow f;

	if (bpf_map_lookup_and_delete_elem(fd, tuple, &f))
		return false;
	if (f.time >= oldest && !bpf_map_update_elem(fd, tuple, &f, BPF_NOEXIST))
		return false;
	/* Workers can write to the map, so what is read from it is checked. */
	if (f.client < MPGATE_CLIENT_COUNTERS)
		__atomic_sub_fetch(&dp->flow_clients[f.client], 1, __ATOMIC_RELAXED);
	return true;
}

int datapath_sweep_flows(struct datapath *dp)
{
	uint64_t now = dp_now(), life = dp->sweep.held > MPGATE_MAX_FLOWS / 2 ? FLOOD_NS : FLOW_NS;
	uint64_t oldest = now > life ? now - life : 0;
	struct bpf_map_batch_opts opts = { .sz = sizeof(opts) };
	struct mpgate_tuple tuples[SWEEP_BATCH];
	struct mpgate_flow flows[SWEEP_BATCH];

	for (unsigned batch = 0; batch < SWEEP_BATCHES; batch++) {
		uint32_t count = SWEEP_BATCH, next = 0;
		int err = bpf_map_lookup_batch(dp->map[DP_MAP_flows], dp->sweep.under_way ? &dp->sweep.at : NULL, &next,
					       tuples, flows, &count, &opts);

		if (err && err != -ENOENT) {
			dp->sweep = (struct dp_sweep){ .held = dp->sweep.held };
			return err;
		}
		for (uint32_t i = 0; i < count; i++)
			dp->sweep.seen += flows[i].time >= oldest || !expire(dp, &tuples[i], oldest);
		dp->sweep.under_way = !err;
		dp->sweep.at = next;
		if (err) { /* -ENOENT: that was the end of the table */
			dp->sweep.held = dp->sweep.seen;
			dp->sweep.seen = 0;
			break;
		}
	}
	return 0;
}

int datapath_flows_fd(const struct datapath *dp)
{
	return dp->map[DP_MAP_flows];
}

int datapath_flow_clients_fd(const struct datapath *dp)
{
	return dp->map[DP_MAP_flow_clients];
}
