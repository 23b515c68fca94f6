/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS answers: any bytes, as an answer to each kind of question. What is taken is bounded, is made of letters that a
 * host can have, and has one order.
 */
#include <stdint.h>
#include <string.h>

#include <lib/addr.h>
#include <lib/dns.h>

#include "check.h"

#define TAKEN 4U /* addresses */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.?";

	CHECK(strlen(name) <= DNS_LETTERS && !name[strspn(name, letters)]);
}

static void check_servers(struct dns_answer *a)
{
	static struct dns_srv again[DNS_RECORDS];
	unsigned n;

	for (unsigned i = 0; i < a->count; i++)
		check_name(a->srv[i].target);
	memcpy(again, a->srv, sizeof(again));
	dns_order(a->srv, a->count, a->ttl);
	dns_order(again, a->count, a->ttl);
	for (unsigned i = 0; i < a->count; i++) {
		CHECK(!strcmp(a->srv[i].target, again[i].target));
		CHECK(!i || a->srv[i - 1].priority <= a->srv[i].priority);
	}
	n = dns_usable(a->srv, a->count, DNS_TARGETS);
	CHECK(n <= DNS_TARGETS && n <= a->count);
	for (unsigned i = 0; i < n; i++)
		CHECK(a->srv[i].target[0] && a->srv[i].port && a->srv[i].port == a->srv[0].port);
}

static void check_addresses(struct dns_target *t, const struct dns_answer *a)
{
	struct mpgate_addr out[TAKEN];
	unsigned n;

	dns_add(&t[0], 0, a);
	dns_add(&t[1], 1, a);
	n = dns_choose(t, 2, out, TAKEN);
	CHECK(n <= TAKEN && n <= a->count);
	for (unsigned i = 0; i < n; i++)
		CHECK(!addr_is_special(&out[i]) && !addr_is_link_local(&out[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_answer a;
	struct dns_target t[2] = { 0 };

	if (!dns_parse(data, size, "_convert._tcp.example", DNS_SRV, &a)) {
		CHECK(a.count <= DNS_RECORDS);
		check_servers(&a);
	}
	if (!dns_parse(data, size, "hub.example", DNS_A, &a))
		check_addresses(t, &a);
	if (!dns_parse(data, size, "hub.example", DNS_AAAA, &a))
		check_addresses(t, &a);
	return 0;
}
