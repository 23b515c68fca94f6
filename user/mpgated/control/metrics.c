/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/control/metrics.h>

#define METRICS_CONNECTIONS 16U /* at a time */
#define METRICS_CONNECTION_MEMORY (16U * 1024U) /* bytes, for a request's headers */
#define METRICS_TIMEOUT 10U /* seconds without a byte */

struct metrics {
	struct MHD_Daemon *http;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	metrics_render render;
	void *arg;
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type, char *body,
			       size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, body, mode);
	enum MHD_Result result;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return respond(connection, status, "text/plain; charset=utf-8", (char *)text, strlen(text),
		       MHD_RESPMEM_PERSISTENT);
}

/* Called with the headers, then again for each piece of a body, and once at its end: the answer is for the end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *data_len, void **state)
{
	static char seen;
	const struct metrics *m = arg;
	size_t len = 0;
	char *body;

	(void)version;
	(void)data;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*data_len) {
		*data_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return respond_text(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n");
	body = m->render(m->arg, &len);
	if (!body)
		return respond_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return respond(connection, MHD_HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body, len,
		       MHD_RESPMEM_MUST_FREE);
}

/* --- the HTTP library in the loop: its epoll descriptor, and its next time-out */

static void run(struct metrics *m);

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(m->http);
	if (MHD_get_timeout(m->http, &ms) == MHD_YES)
		uv_timer_start(&m->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&m->timer);
}

static void handle_closed(uv_handle_t *handle)
{
	struct metrics *m = handle->data;

	if (!--m->open_handles)
		free(m);
}

static int metrics_sockaddr(const char *addr, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return 0;
	}
	return -EINVAL;
}

static struct MHD_Daemon *http_start(const struct sockaddr_storage *ss, struct metrics *m)
{
	unsigned flags = MHD_USE_EPOLL | (ss->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, m, MHD_OPTION_SOCK_ADDR, ss,
				MHD_OPTION_CONNECTION_LIMIT, METRICS_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)METRICS_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, METRICS_TIMEOUT,
				MHD_OPTION_END);
}

int metrics_open(uv_loop_t *loop, const char *addr, uint16_t port, metrics_render render, void *arg,
		 struct metrics **out)
{
	struct sockaddr_storage ss;
	struct metrics *m;
	int err;

	err = metrics_sockaddr(addr, port, &ss);
	if (err) {
		log_error("metrics: %s is not an address", addr);
		return err;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->render = render;
	m->arg = arg;
	errno = 0;
	m->http = http_start(&ss, m);
	if (!m->http) {
		err = errno ? -errno : -EIO;
		log_error("metrics: cannot listen on %s port %u: %s", addr, port, strerror(-err));
		free(m);
		return err;
	}
	uv_poll_init(loop, &m->poll, MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
	uv_timer_init(loop, &m->timer);
	m->poll.data = m->timer.data = m;
	m->open_handles = 2;
	uv_poll_start(&m->poll, UV_READABLE, on_ready);
	*out = m;
	return 0;
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	uv_poll_stop(&m->poll);
	MHD_stop_daemon(m->http);
	uv_close((uv_handle_t *)&m->poll, handle_closed);
	uv_close((uv_handle_t *)&m->timer, handle_closed);
}

uint16_t metrics_port(const struct metrics *m)
{
	return MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* --- OpenMetrics text */

void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help)
{
	if (!t->file)
		t->file = open_memstream(&t->buf, &t->len);
	if (!t->file)
		return;
	t->family = name;
	t->suffix = strcmp(type, "counter") ? "" : "_total";
	fprintf(t->file, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void put_escaped(FILE *file, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", file);
		else if (*value == '"' || *value == '\\')
			fprintf(file, "\\%c", *value);
		else
			fputc(*value, file);
	}
}

void metrics_text_sample(struct metrics_text *t, const struct metrics_label *labels, uint64_t value)
{
	const char *before = "{";

	if (!t->file)
		return;
	fprintf(t->file, "%s%s", t->family, t->suffix);
	for (; labels && labels->name; labels++) {
		fprintf(t->file, "%s%s=\"", before, labels->name);
		put_escaped(t->file, labels->value);
		fputc('"', t->file);
		before = ",";
	}
	fprintf(t->file, "%s %llu\n", *before == ',' ? "}" : "", (unsigned long long)value);
}

char *metrics_text_end(struct metrics_text *t, size_t *len)
{
	char *text = NULL;
	int failed = 1;

	if (t->file) {
		fputs("# EOF\n", t->file);
		failed = ferror(t->file);
		failed |= fclose(t->file);
	}
	if (failed) {
		free(t->buf);
	} else {
		text = t->buf;
		*len = t->len;
	}
	*t = (struct metrics_text){ 0 };
	return text;
}
