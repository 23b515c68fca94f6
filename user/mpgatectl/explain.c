/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/meant.h>
#include <mpgatectl/explain.h>

#define PORT_MAX 65535

static int number(const char *text, int max)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return *end || errno || value > max ? -1 : (int)value;
}

static int endpoint_family(const char *addr)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, addr, bytes) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, addr, bytes) == 1 ? AF_INET6 : -1;
}

int explain_endpoint(const char *text, char *addr, int *port)
{
	bool bracket = *text == '[';
	const char *start = text + bracket;
	const char *end = bracket ? strchr(text, ']') : strchr(text, ':');
	const char *colon = bracket && end ? end + 1 : end;
	char host[EXPLAIN_ADDRESS];
	int number_of = -1;
	size_t len;

	if (bracket && !end)
		return -EINVAL;
	/* Two colons and no bracket: an IPv6 address alone. */
	if (!bracket && end && strchr(end + 1, ':'))
		end = colon = NULL;
	len = end ? (size_t)(end - start) : strlen(start);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, len);
	host[len] = 0;
	if (colon && *colon) {
		if (*colon != ':' || (number_of = number(colon + 1, PORT_MAX)) < 0)
			return -EINVAL;
	}
	if (endpoint_family(host) < 0 || (bracket && endpoint_family(host) != AF_INET6))
		return -EINVAL;
	strcpy(addr, host);
	*port = number_of;
	return 0;
}

/* What is wrong with an operand; NULL: nothing. with_port: it needs one. */
static const char *fault(const char *text, bool with_port)
{
	char host[EXPLAIN_ADDRESS + 2], addr[EXPLAIN_ADDRESS];
	const char *colon = strchr(text, ':'), *last = strrchr(text, ':');
	int port;

	if (!explain_endpoint(text, addr, &port)) {
		if (!with_port || port > 0)
			return NULL;
		if (port < 0)
			return colon && *text != '[' ? "needs brackets in front of its port, as in [2001:db8::1]:443"
						     : "lacks its port, as in 192.0.2.1:443";
	}
	snprintf(host, sizeof(host), "%.*s", (int)(last ? last - text : 0), text);
	if (last && !explain_endpoint(host, addr, &port) && port < 0)
		return "needs a number for its port: 1 to 65535";
	snprintf(host, sizeof(host), "%s", text);
	if (colon == last && colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	return meant_host(host) ? meant_address(host, NULL) : with_port ? "is not DST:PORT" : "is not SRC[:PORT]";
}

json_t *explain_ask(const struct args *args, char *error, size_t size)
{
	char source[EXPLAIN_ADDRESS], destination[EXPLAIN_ADDRESS];
	int source_port, destination_port;
	json_t *parameters;

	for (int i = 0; i < ARGS_OPERANDS; i++) {
		const char *why = fault(args->operands[i], i == 1);

		if (why) {
			snprintf(error, size, "'%.100s' %s", args->operands[i], why);
			return NULL;
		}
	}
	explain_endpoint(args->operands[0], source, &source_port);
	explain_endpoint(args->operands[1], destination, &destination_port);
	if (endpoint_family(source) != endpoint_family(destination)) {
		snprintf(error, size, "'%s' and '%s' are not of one address family", source, destination);
		return NULL;
	}
	parameters = json_pack("{s:s, s:s, s:i}", "source", source, "destination", destination, "destination_port",
			       destination_port);
	if (args->option[ARGS_LINK])
		json_object_set_new(parameters, "link", json_string(args->option[ARGS_LINK]));
	if (source_port > 0)
		json_object_set_new(parameters, "source_port", json_integer(source_port));
	if (args->dscp >= 0)
		json_object_set_new(parameters, "dscp", json_integer(args->dscp));
	if (args->option[ARGS_MPTCP])
		json_object_set_new(parameters, "mptcp", json_true());
	return parameters;
}
