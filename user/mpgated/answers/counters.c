// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters of the BPF programs and of the workers, for Stats and for /metrics. */
#include <stddef.h>
#include <string.h>

#include <mpgated/answers/findings.h>

#define X(id, name, text) name,
static const char *const reason_names[] = { MPGATE_REASONS(X) };
#undef X
#define X(id, name, text) text,
static const char *const reason_texts[] = { MPGATE_REASONS(X) };
#undef X

static const struct {
	const char *name, *text;
	size_t offset;
} worker_counters[] = {
#define X(field, name, text) { name, text, offsetof(struct worker_stats, field) },
	WORKER_COUNTERS(X)
#undef X
};
#define WORKER_COUNTER_COUNT (sizeof(worker_counters) / sizeof(worker_counters[0]))

static const struct {
	const char *name, *text;
	size_t offset;
} logger_counters[] = {
#define X(field, name, text) { name, text, offsetof(struct logger_stats, field) },
	LOGGER_COUNTERS(X)
#undef X
};
#define LOGGER_COUNTER_COUNT (sizeof(logger_counters) / sizeof(logger_counters[0]))

static uint64_t logger_count(const struct supervisor *s, unsigned i)
{
	return *(const uint64_t *)(const void *)((const char *)&s->shm->logger + logger_counters[i].offset);
}

static uint64_t worker_sum(const struct supervisor *s, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->worker_count; i++)
		sum += *(const uint64_t *)(const void *)((const char *)&s->shm->workers[i] + offset);
	return sum;
}

const char *reason_name(enum mpgate_reason r)
{
	return reason_names[r];
}

const char *reason_text(enum mpgate_reason r)
{
	return reason_texts[r];
}

static json_t *counter(const char *name, const char *text, uint64_t value)
{
	json_t *o = json_object();

	json_set_text(o, "name", name);
	json_set_text(o, "text", text);
	/* Others are numbers of what their text says. */
	if (!strncmp(name, "bytes-", strlen("bytes-")))
		json_set_text(o, "unit", "bytes");
	json_set_int(o, "value", value);
	return o;
}

json_t *method_stats(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	uint64_t reasons[MPGATE_REASON_COUNT];
	json_t *o, *a, *b;

	(void)parameters;
	if (datapath_counters(s->dp, reasons) < 0)
		return method_fail(error, why, "the counters could not be read");
	o = json_object();
	a = json_array();
	b = json_array();
	for (unsigned i = 0; i < MPGATE_REASON_COUNT; i++)
		json_array_append_new(a, counter(reason_names[i], reason_texts[i], reasons[i]));
	for (unsigned i = 0; i < WORKER_COUNTER_COUNT; i++)
		json_array_append_new(b, counter(worker_counters[i].name, worker_counters[i].text,
						 worker_sum(s, worker_counters[i].offset)));
	for (unsigned i = 0; i < LOGGER_COUNTER_COUNT; i++)
		json_array_append_new(b, counter(logger_counters[i].name, logger_counters[i].text, logger_count(s, i)));
	json_object_set_new(o, "reasons", a);
	json_object_set_new(o, "relay", b);
	return o;
}

/* What became of the workers. */
static void worker_metrics(const struct supervisor *s, struct metrics_text *t)
{
	char index[12];
	const struct metrics_label l[] = { { "worker", index }, { 0 } };

	metrics_text_family(t, "mpgate_worker_restarts", "counter", "How often a worker was started again");
	for (unsigned i = 0; i < s->worker_count; i++) {
		snprintf(index, sizeof(index), "%u", i);
		metrics_text_sample(t, l, s->workers[i].child.restarts);
	}
	metrics_text_family(t, "mpgate_worker_kills", "counter", "How often since the daemon killed it");
	for (unsigned i = 0; i < s->worker_count; i++) {
		snprintf(index, sizeof(index), "%u", i);
		metrics_text_sample(t, l, s->workers[i].child.killed);
	}
}

static void waiting_metric(const struct supervisor *s, struct metrics_text *t)
{
	unsigned waiting = 0;

	for (unsigned n = 0; n < CFG_LISTEN_ADDRESSES; n++)
		waiting += s->waiting[n] != 0;
	metrics_text_family(t, "mpgate_listen_waiting", "gauge", "Addresses of convert.listen that are not there yet");
	metrics_text_sample(t, NULL, waiting);
}

char *answers_metrics(void *arg, bool openmetrics, size_t *len)
{
	const struct supervisor *s = arg;
	uint64_t reasons[MPGATE_REASON_COUNT];
	struct metrics_text t = { .openmetrics = openmetrics };

	if (datapath_counters(s->dp, reasons) < 0)
		return NULL;
	metrics_text_family(&t, "mpgate_packets", "counter", "Packets by verdict of the BPF programs");
	for (unsigned i = 0; i < MPGATE_REASON_COUNT; i++) {
		const struct metrics_label l[] = { { "reason", reason_names[i] }, { 0 } };

		metrics_text_sample(&t, l, reasons[i]);
	}
	metrics_text_family(&t, "mpgate_relay", "counter", "What the workers counted");
	for (unsigned i = 0; i < WORKER_COUNTER_COUNT; i++) {
		const struct metrics_label l[] = { { "event", worker_counters[i].name }, { 0 } };

		metrics_text_sample(&t, l, worker_sum(s, worker_counters[i].offset));
	}
	for (unsigned i = 0; i < LOGGER_COUNTER_COUNT; i++) {
		const struct metrics_label l[] = { { "event", logger_counters[i].name }, { 0 } };

		metrics_text_sample(&t, l, logger_count(s, i));
	}
	metrics_text_family(&t, "mpgate_connections", "gauge", "Connections now");
	metrics_text_sample(&t, NULL, worker_sum(s, offsetof(struct worker_stats, connections)));
	worker_metrics(s, &t);
	waiting_metric(s, &t);
	metrics_text_family(&t, "mpgate_peer_up", "gauge", "1 while the peer answers");
	for (unsigned i = 0; i < s->cfg->peer_count; i++) {
		const struct peer *p = &s->peers[s->peer_slot[i]];
		const struct metrics_label l[] = { { "peer", p->name }, { 0 } };

		/* Of one that dials us nothing is known. */
		if (config_dials(&s->cfg->peers[i]))
			metrics_text_sample(&t, l, p->state == PEER_UP && !p->silent);
	}
	metrics_paths(s, &t);
	metrics_text_family(&t, "mpgate_policy_generation", "gauge", "Policies loaded since the start");
	metrics_text_sample(&t, NULL, s->generation);
	answers_usage_metrics(s, &t);
	findings_metrics(s, &t);
	return metrics_text_end(&t, len);
}
