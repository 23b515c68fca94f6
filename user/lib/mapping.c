// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/mapping.h>

#include <stdio.h>
#include <time.h>

size_t mapping_print(const struct mapping *m, char line[MAPPING_LINE])
{
	char source[ADDR_TEXT], mapped[ADDR_TEXT], server[ADDR_TEXT], when[32] = "?";
	time_t second = (time_t)(m->time / 1000);
	struct tm tm;

	if (gmtime_r(&second, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(line, MAPPING_LINE, "%s.%03uZ %s tcp peer=%.31s source=%s mapped=%s server=%s\n", when,
				(unsigned)(m->time % 1000), m->end ? "end" : "begin", m->peer[0] ? m->peer : "-",
				addr_print_port(&m->source, m->source_port, source),
				addr_print_port(&m->mapped, m->mapped_port, mapped),
				addr_print_port(&m->server, m->server_port, server));
}
