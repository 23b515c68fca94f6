// SPDX-License-Identifier: GPL-2.0-or-later
#define CARES_NO_DEPRECATED /* ares_query() gives the bytes, which are parsed here: with their TTL, by their names */
#include <mpgated/resolver/lookup.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_IN 1

struct lookup {
	ares_channel channel;
	uint64_t seed;
	void (*done)(const struct resolve_answer *answer);
	struct resolve_answer answer;
	char name[DNS_NAME]; /* of the service */
	struct dns_answer records; /* the last answer; after the first one, the SRV records in their order */
	struct dns_srv srv[DNS_TARGETS];
	unsigned targets;
	struct dns_target target[DNS_TARGETS];
	struct query {
		struct lookup *lookup;
		unsigned target, v6;
	} query[DNS_TARGETS * 2];
	unsigned pending; /* queries */
	enum resolve_result failed; /* one of the targets' queries; RESOLVE_FOUND: none */
};

static void end(struct lookup *l, enum resolve_result result)
{
	struct resolve_answer *a = &l->answer;

	a->result = result;
	if (result > RESOLVE_IN_PART) {
		a->ttl = 0;
		a->port = 0;
	}
	l->done(a);
	free(l);
}

/* What c-ares says of a query that brought no answer. RESOLVE_FOUND: that there is no such record, or no such name. */
static enum resolve_result failure(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return RESOLVE_FOUND;
	case ARES_ETIMEOUT:
		return RESOLVE_SILENT;
	case ARES_ECONNREFUSED: /* also when all name servers have said what is below */
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
	case ARES_EFORMERR:
		return RESOLVE_FAILED;
	default:
		return RESOLVE_MALFORMED;
	}
}

/* Parses an answer into l->records. Without records these are none. */
static enum resolve_result read_answer(struct lookup *l, int status, const unsigned char *msg, int len,
				       const char *name, enum dns_type type)
{
	enum resolve_result failed = failure(status);

	l->records.count = 0;
	if (status == ARES_SUCCESS && dns_parse(msg, (size_t)len, name, type, &l->records) < 0)
		failed = RESOLVE_MALFORMED;
	if (!failed && l->records.count && l->records.ttl < l->answer.ttl)
		l->answer.ttl = l->records.ttl;
	return failed;
}

static void finish(struct lookup *l)
{
	struct resolve_answer *a = &l->answer;

	a->count = (uint16_t)dns_choose(l->target, l->targets, a->address, CFG_PEER_ADDRESSES);
	if (a->count)
		end(l, l->failed ? RESOLVE_IN_PART : RESOLVE_FOUND);
	else
		end(l, l->failed ? l->failed : RESOLVE_NO_ADDRESS);
}

/* When the channel is destroyed the process is about to end. */
static bool is_over(int status)
{
	return status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;
}

static void on_address(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct query *q = arg;
	struct lookup *l = q->lookup;
	enum resolve_result failed;

	(void)timeouts;
	if (is_over(status))
		return;
	failed = read_answer(l, status, msg, len, l->srv[q->target].target, q->v6 ? DNS_AAAA : DNS_A);
	if (failed)
		l->failed = failed;
	else
		dns_add(&l->target[q->target], q->v6, &l->records);
	if (--l->pending == 0)
		finish(l);
}

/* Of all targets. The last call may free l: a query can end at once. */
static void ask_addresses(struct lookup *l)
{
	unsigned n = l->pending = 2 * l->targets;

	for (unsigned i = 0; i < n; i++)
		l->query[i] = (struct query){ l, i / 2, i % 2 };
	for (unsigned i = 0; i < n; i++) {
		struct query *q = &l->query[i];

		ares_query(l->channel, l->srv[q->target].target, CLASS_IN, q->v6 ? DNS_AAAA : DNS_A, on_address, q);
	}
}

static void on_service(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct lookup *l = arg;
	enum resolve_result failed;

	(void)timeouts;
	if (is_over(status))
		return;
	failed = read_answer(l, status, msg, len, l->name, DNS_SRV);
	if (failed) {
		end(l, failed);
		return;
	}
	dns_order(l->records.srv, l->records.count, l->seed);
	l->targets = dns_usable(l->records.srv, l->records.count, DNS_TARGETS);
	if (!l->targets) {
		end(l, RESOLVE_NO_RECORD);
		return;
	}
	memcpy(l->srv, l->records.srv, l->targets * sizeof(l->srv[0]));
	l->answer.port = l->srv[0].port;
	ask_addresses(l);
}

static void ask_service(struct lookup *l, const char *domain)
{
	snprintf(l->name, sizeof(l->name), DNS_SERVICE "%s", domain);
	ares_query(l->channel, l->name, CLASS_IN, DNS_SRV, on_service, l);
}

/* Addresses, or a domain to be asked for. */
static void take_option(struct lookup *l, const struct resolve_question *q)
{
	struct setup_info info;

	_Static_assert(SETUP_ADDRESSES == CFG_PEER_ADDRESSES, "an option has as many as a peer");

	if (setup_info_parse(q->v6, q->data, q->len, q->enterprise, &info) < 0) {
		end(l, RESOLVE_NO_OPTION);
	} else if (info.count) {
		l->answer.port = info.port;
		l->answer.count = (uint16_t)info.count;
		memcpy(l->answer.address, info.address, info.count * sizeof(info.address[0]));
		end(l, RESOLVE_FOUND);
	} else {
		ask_service(l, info.domain);
	}
}

int lookup_start(ares_channel channel, uint64_t seed, const struct resolve_question *question,
		 void (*done)(const struct resolve_answer *answer))
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->channel = channel;
	l->seed = seed;
	l->done = done;
	l->answer = (struct resolve_answer){ .slot = question->slot, .number = question->number, .ttl = UINT32_MAX };
	if (question->enterprise)
		take_option(l, question);
	else
		ask_service(l, question->domain);
	return 0;
}
