// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/blackhole.h>

#include <lib/log.h>
#include <mpgated/paths/sysctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define TABLE "MPTcpExt: "
#define LINE 4096 /* bytes; the kernel's line of MPTCP counters has some 1,500 */

/* The field with this name in the two lines of /proc/net/netstat that begin with TABLE. */
static bool find(char *names, char *values, const char *name, uint64_t *out)
{
	char *n, *v, *at_n = NULL, *at_v = NULL;

	for (n = strtok_r(names, " \n", &at_n), v = strtok_r(values, " \n", &at_v); n && v;
	     n = strtok_r(NULL, " \n", &at_n), v = strtok_r(NULL, " \n", &at_v)) {
		if (strcmp(n, name) != 0)
			continue;
		*out = strtoull(v, NULL, 10);
		return true;
	}
	return false;
}

static bool count(uint64_t *out)
{
	FILE *f = fopen("/proc/self/net/netstat", "re");
	char names[LINE], values[LINE];
	bool found = false;

	while (f && !found && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f))
		found = !strncmp(names, TABLE, strlen(TABLE)) && find(names, values, "Blackhole", out);
	if (f)
		fclose(f);
	return found;
}

void blackhole_set(struct originals *o, bool dials)
{
	int timeout;

	if (sysctl_get(BLACKHOLE_SYSCTL, &timeout) < 0)
		return;
	if (dials)
		sysctl_set(o, BLACKHOLE_SYSCTL, 0);
	else
		sysctl_restore(o, BLACKHOLE_SYSCTL);
}

void blackhole_check(struct blackhole *b)
{
	uint64_t now;

	if (!count(&now))
		return;
	if (b->known && now > b->seen) {
		b->struck = uv_hrtime();
		log_warn("the kernel's blackhole detection has struck: new connections are plain TCP for a while, "
			 "and nothing is bonded; set net." BLACKHOLE_SYSCTL " to 0");
	}
	b->seen = now;
	b->known = true;
}
