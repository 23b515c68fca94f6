/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgated/control/page.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/confine.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>

#define HTTP_CONNECTIONS 16U /* at a time */
#define HTTP_CONNECTION_MEMORY (16U * 1024U) /* bytes, for a request's headers */
#define HTTP_TIMEOUT 10U /* seconds without a byte */
#define ANSWER_MS 5000 /* for the supervisor to give the text; other requests wait meanwhile */

#define TYPE_PLAIN "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text"

/*
 * The library is loaded by this process alone: with what it needs for TLS, which is not used, it would take a MiB of
 * those that have no use for it. Its calls are the fields of `mhd`, under their own names.
 */
#define LIBRARY "libmicrohttpd.so.12"
#define LIBRARY_CALLS(X)                                                                                               \
	X(MHD_add_response_header)                                                                                     \
	X(MHD_create_response_from_buffer)                                                                             \
	X(MHD_destroy_response)                                                                                        \
	X(MHD_get_daemon_info)                                                                                         \
	X(MHD_get_timeout)                                                                                             \
	X(MHD_lookup_connection_value)                                                                                 \
	X(MHD_queue_response)                                                                                          \
	X(MHD_run)                                                                                                     \
	X(MHD_start_daemon)

static struct {
#define X(call) __typeof__(call) *call;
	LIBRARY_CALLS(X)
#undef X
} mhd;

static int load_library(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW);
	bool all = library;

#define X(call) all = all && (mhd.call = (__typeof__(mhd.call))dlsym(library, #call));
	LIBRARY_CALLS(X)
#undef X
	if (!all)
		log_error("%s", dlerror());
	return all ? 0 : -ELIBACC;
}

static struct http_start how;

/* --- the texts, from the supervisor */

/* What a memfd holds, malloc'ed; NULL when that is not len bytes. */
static char *read_text(int fd, size_t len)
{
	struct stat st;
	char *text = fstat(fd, &st) == 0 && st.st_size == (off_t)len ? malloc(len + 1) : NULL;

	if (text && pread(fd, text, len, 0) != (ssize_t)len) {
		free(text);
		text = NULL;
	}
	return text;
}

/* A new text, malloc'ed, or NULL: there is none, or not in time. */
static char *ask(enum http_text which, size_t *len)
{
	static uint32_t number;
	struct message m = { .type = MSG_METRICS, .slot = ++number, .value = (int32_t)which };
	struct pollfd p = { .fd = START_SOCKET, .events = POLLIN };
	char *text = NULL;
	int ret, fd;

	if (message_send(START_SOCKET, &m, -1) < 0)
		return NULL;
	do {
		if (poll(&p, 1, ANSWER_MS) != 1)
			return NULL;
		ret = message_receive(START_SOCKET, &m, &fd);
		if (ret == 0)
			_exit(0);
		if (ret == 1 && fd >= 0 && m.slot == number && m.value >= 0) {
			*len = (size_t)m.value;
			text = read_text(fd, *len);
		}
		if (ret == 1 && fd >= 0)
			close(fd);
		/* Another number: an answer that came too late. */
	} while (ret != 1 || m.slot != number);
	return text;
}

/* --- requests */

/* All that it needs comes from here, nobody else's page may hold or read it, and nothing of it is kept. */
static const struct {
	const char *name, *value;
} headers[] = {
	{ "Cache-Control", "no-store" },
	{ "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
				     "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type, char *body,
			       size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = mhd.MHD_create_response_from_buffer(len, body, mode);
	enum MHD_Result result;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(body);
		return MHD_NO;
	}
	mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		mhd.MHD_add_response_header(response, headers[i].name, headers[i].value);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (status == MHD_HTTP_UNAUTHORIZED)
		mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"mpgate\"");
	result = mhd.MHD_queue_response(connection, status, response);
	mhd.MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return respond(connection, status, TYPE_PLAIN, (char *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result respond_asked(struct MHD_Connection *connection, enum http_text which, const char *type)
{
	size_t len = 0;
	char *body = ask(which, &len);

	if (!body)
		return respond_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the daemon does not answer\n");
	return respond(connection, MHD_HTTP_OK, type, body, len, MHD_RESPMEM_MUST_FREE);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return mhd.MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result respond_metrics(struct MHD_Connection *connection)
{
	const char *accept = header(connection, MHD_HTTP_HEADER_ACCEPT);

	if (accept && strcasestr(accept, OPENMETRICS))
		return respond_asked(connection, HTTP_OPENMETRICS, OPENMETRICS "; version=1.0.0; charset=utf-8");
	return respond_asked(connection, HTTP_METRICS, TYPE_TEXT);
}

/* The page, or else why not. */
static enum MHD_Result respond_page(struct MHD_Connection *connection, const char *url)
{
	const struct page_file *file = page_find(url);
	bool status = !strcmp(url, "/status.json"), history = !strcmp(url, "/history.json");

	if (!file && !status && !history)
		return respond_text(connection, MHD_HTTP_NOT_FOUND,
				    "only /, /status.json, /history.json and /metrics are here\n");
	switch (page_admit(&how, header(connection, MHD_HTTP_HEADER_HOST),
			   header(connection, MHD_HTTP_HEADER_AUTHORIZATION))) {
	case PAGE_WELCOME:
		break;
	case PAGE_NO_TOKEN:
		return respond_text(connection, MHD_HTTP_UNAUTHORIZED,
				    "this takes the token of metrics.token-file: as the password, with any name, or in "
				    "Authorization: Bearer\n");
	case PAGE_FOREIGN_NAME:
		return respond_text(connection, MHD_HTTP_FORBIDDEN,
				    "ask for it by address or as localhost: other names may be led here by others; "
				    "with metrics.token-file any name will do\n");
	default:
		return respond_text(connection, MHD_HTTP_FORBIDDEN,
				    "metrics.listen is not on loopback, so the status page takes a token: set "
				    "metrics.token-file to a file that mpgatectl key new has made\n");
	}
	if (file)
		return respond(connection, MHD_HTTP_OK, file->type, (char *)(uintptr_t)file->text, file->len,
			       MHD_RESPMEM_PERSISTENT);
	return respond_asked(connection, status ? HTTP_STATUS : HTTP_HISTORY, TYPE_JSON);
}

/* Called with the headers, then again for each piece of a body, and once at its end: the answer is for the end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *data_len, void **state)
{
	static char seen;

	(void)arg;
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
	return strcmp(url, "/metrics") ? respond_page(connection, url) : respond_metrics(connection);
}

/* --- the process */

#define CALL1(name, number, how, a, b)                                                                                 \
	{                                                                                                              \
		.call = SCMP_SYS(name), .args = 1, .arg = { { number, how, a, b } }                                    \
	}

/* It can neither open, dial nor start anything. */
static const struct confine_call calls[] = {
	CONFINE_CALL(accept4),
	CONFINE_CALL(brk),
	CONFINE_CALL(clock_gettime),
	CONFINE_CALL(close),
	CONFINE_CALL(epoll_ctl),
	CONFINE_CALL(epoll_pwait),
	CONFINE_CALL(epoll_wait),
	CONFINE_CALL(fstat),
	CONFINE_CALL(getsockname),
	CONFINE_CALL(getsockopt),
	CONFINE_CALL(gettimeofday),
	CONFINE_CALL(madvise),
	CALL1(mmap, 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
	CONFINE_CALL(mremap),
	CONFINE_CALL(munmap),
	CALL1(newfstatat, 3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0), /* fstat() */
	CONFINE_CALL(poll),
	CONFINE_CALL(ppoll),
	{ .call = SCMP_SYS(pread64) }, /* a macro of musl's, which must not be replaced */
	CONFINE_CALL(read),
	CONFINE_CALL(recvfrom),
	CONFINE_CALL(recvmsg),
	CONFINE_CALL(sendmsg),
	CONFINE_CALL(sendto),
	CALL1(setsockopt, 1, SCMP_CMP_EQ, IPPROTO_TCP, 0),
	CONFINE_CALL(shutdown),
	CONFINE_CALL(time),
};

static int take_listener(void)
{
	int fd, ret;
	unsigned n;

	ret = packet_receive(START_SOCKET, &how, sizeof(how), &fd, 1, &n, 0);
	if (ret == 0)
		_exit(0);
	return ret < 0 ? ret : n == 1 ? fd : -EPROTO;
}

static struct MHD_Daemon *http_start(int listener)
{
	return mhd.MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
				    MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				    (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_TIMEOUT,
				    MHD_OPTION_END);
}

static void serve(struct MHD_Daemon *http)
{
	/* Of the supervisor only the end is news: its answers are waited for where they are asked for. */
	struct pollfd p[] = { { mhd.MHD_get_daemon_info(http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, POLLIN, 0 },
			      { START_SOCKET, 0, 0 } };

	while (!p[1].revents) {
		MHD_UNSIGNED_LONG_LONG ms;
		bool timed = mhd.MHD_get_timeout(http, &ms) == MHD_YES;

		poll(p, 2, !timed ? -1 : ms > 1000 ? 1000 : (int)ms);
		mhd.MHD_run(http);
	}
}

void http_main(void)
{
	struct MHD_Daemon *http = NULL;
	int ret = start_begin(), listener;

	log_setup("metrics", LOG_LEVEL_INFO);
	if (!ret)
		ret = load_library();
	listener = ret ? ret : take_listener();
	if (listener >= 0) {
		start_signals();
		tzset(); /* for dates, while files can be opened */
		http = http_start(listener);
		ret = http ? confine(0, calls, sizeof(calls) / sizeof(calls[0])) : -EIO;
	} else {
		ret = listener;
	}
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		_exit(1);
	}
	serve(http);
	_exit(0);
}
