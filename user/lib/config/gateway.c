// SPDX-License-Identifier: GPL-2.0-or-later
/* The gateways of a path link: one address of each IP version, or that there is none. */
#include <lib/config/build.h>
#include <lib/config/meant.h>

#include <string.h>

#define LINK "link"

static int add_gateway(struct build *b, unsigned i, unsigned k, struct cfg_link *out)
{
	static const struct mpgate_addr none;
	const char *text = b->raw->links[i].gateway[k], *name = b->raw->links[i].name;
	const char *place = cfg_at(b, "links[%u].gateway[%u]", i, k);
	struct mpgate_addr a;
	struct mpgate_addr *place_of;

	if (!strcmp(text, LINK) && b->raw->links[i].gateway_count > 1)
		return cfg_fail(b, place, "link '%s': with gateway '" LINK "' there is no other", name);
	if (!strcmp(text, LINK)) {
		out->gateway_link = true;
		return 0;
	}
	if (addr_parse(text, &a) < 0 || addr_is_special(&a))
		return cfg_fail(b, place, "'%s' %s", text,
				meant_address(text, "is no unicast address, nor '" LINK "'"));
	place_of = &out->gateway[!addr_is_v4(&a)];
	if (memcmp(place_of, &none, sizeof(none)) != 0)
		return cfg_fail(b, place, "link '%s': one gateway of an IP version is all there can be", name);
	*place_of = a;
	return 0;
}

int cfg_build_gateway(struct build *b, unsigned i, struct cfg_link *out)
{
	int r = cfg_check_list(b, cfg_at(b, "links[%u].gateway", i));

	for (unsigned k = 0; k < b->raw->links[i].gateway_count && !r; k++)
		r = add_gateway(b, i, k, out);
	return r;
}
