// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/maplog.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/supervisor.h>

#define FILE_MODE 0640 /* who spoke to whom */
#define TERM_WAIT_MS 3000 /* for what is left to be written */

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);

	return fd < 0 ? -errno : fd;
}

int maplog_check(const struct config *cfg, struct cfg_error *err)
{
	const char *file = cfg->mapping_log.file;
	int fd = file ? open_file(file) : -1;

	if (file && fd < 0) {
		snprintf(err->text, sizeof(err->text), "%.128s: mapping-log: %.256s: %s", cfg->path, file,
			 strerror(-fd));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

static int begin(struct child *c)
{
	const struct supervisor *s = ((struct maplog *)(void *)c)->sup;
	const struct cfg_mapping_log *m = &s->cfg->mapping_log;
	struct logger_start start = { .workers = s->worker_count,
				      .domain = m->domain,
				      .log = m->log,
				      .exports = m->exports,
				      .tcp = m->transport == CFG_TCP,
				      .port = htons(m->port),
				      .collector = m->collector };
	int fds[2] = { s->shm_fd, -1 }, ret;

	if (m->file) {
		fds[1] = open_file(m->file);
		if (fds[1] < 0)
			log_error("mapping-log: %s: %s", m->file, strerror(-fds[1]));
	}
	start.file = fds[1] >= 0;
	ret = packet_send(c->socket, &start, sizeof(start), fds, 1U + start.file);
	if (start.file)
		close(fds[1]);
	return ret;
}

static void readable(struct child *c)
{
	child_listen(c, false); /* it says nothing; when it has ended, SIGCHLD tells */
}

static void on_end(struct child *c, int status, unsigned delay)
{
	if (!c->stopping && status)
		log_error("the log of mappings ended (wait status %#x); a new one starts in %u ms", (unsigned)status,
			  delay);
}

static const struct child_kind kind = { .name = START_LOGGER, .begin = begin, .readable = readable, .ended = on_end };

int maplog_open(struct maplog *m, struct supervisor *s)
{
	int ret;

	m->sup = s;
	if (!config_logs_mappings(s->cfg))
		return 0;
	m->open = true;
	child_init(&m->child, &s->loop, &kind, 0);
	ret = child_start(&m->child);
	if (ret)
		log_error("mapping-log: %s", strerror(-ret));
	return ret;
}

void maplog_renew(struct maplog *m)
{
	/* A new process begins where this one ends: what is written down meanwhile waits in the rings. */
	if (!m->open) {
		maplog_open(m, m->sup);
	} else if (m->child.pid) {
		m->child.watch.ends = 0; /* it ends since it is told to: the next one need not wait */
		kill(m->child.pid, SIGTERM);
	}
}

void maplog_reap(struct maplog *m)
{
	if (m->open)
		child_reap(&m->child);
}

void maplog_close(struct maplog *m)
{
	uint64_t end = uv_hrtime() / 1000000 + TERM_WAIT_MS;

	if (!m->open)
		return;
	child_stop(&m->child);
	if (m->child.pid)
		kill(m->child.pid, SIGTERM);
	while (m->child.pid) {
		if (uv_hrtime() / 1000000 > end)
			kill(m->child.pid, SIGKILL);
		child_reap(&m->child);
		poll(NULL, 0, 1);
	}
	m->open = false;
}
