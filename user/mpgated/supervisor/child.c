// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/child.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/start.h>

/* "worker 1": what it is called in the log. */
static const char *child_name(const struct child *c)
{
	return c->kind->name + strlen("mpgated: ");
}

static void readable(uv_poll_t *poll, int status, int events)
{
	struct child *c = poll->data;

	(void)status;
	(void)events;
	c->kind->readable(c);
}

void child_listen(struct child *c, bool on)
{
	if (!c->polling || uv_is_closing((uv_handle_t *)&c->poll))
		return;
	if (on)
		uv_poll_start(&c->poll, UV_READABLE, readable);
	else
		uv_poll_stop(&c->poll);
}

void child_init(struct child *c, uv_loop_t *loop, const struct child_kind *kind, unsigned index)
{
	*c = (struct child){ .kind = kind, .loop = loop, .index = index, .socket = -1 };
	uv_timer_init(loop, &c->restart);
	c->restart.data = c->poll.data = c;
}

int child_start(struct child *c)
{
	int pair[2], ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = start_process(c->kind->name, c->index, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	c->pid = pid;
	c->socket = pair[0];
	c->ending = false;
	watch_started(&c->watch, uv_now(c->loop), c->watch.asked);
	uv_poll_init(c->loop, &c->poll, c->socket);
	c->polling = true;
	child_listen(c, true);
	ret = c->kind->begin(c);
	if (ret)
		child_kill(c, strerror(-ret));
	return 0;
}

void child_kill(struct child *c, const char *why)
{
	if (!c->pid || c->ending)
		return;
	c->ending = true;
	log_error("%s %u: %s: it is killed", child_name(c), c->index, why);
	c->killed++;
	child_listen(c, false);
	kill(c->pid, SIGKILL);
}

bool child_tick(struct child *c, uint32_t answered)
{
	enum watch_verdict v;

	if (!c->pid)
		return false;
	v = watch_tick(&c->watch, uv_now(c->loop), answered);
	if (v == WATCH_IS_DEAD) {
		kill(c->pid, SIGKILL);
	} else if (v == WATCH_IS_HUNG && !c->ending) {
		log_error("%s %u has not answered for %u s: it is ended", child_name(c), c->index,
			  WATCH_HUNG * WATCH_PERIOD_MS / 1000);
		c->ending = true;
		c->killed++;
		/* So that it still resets its connections, if it can; one that was stopped has to go on for that. */
		kill(c->pid, SIGABRT);
		kill(c->pid, SIGCONT);
	}
	return v == WATCH_IS_WELL;
}

static void restart_due(uv_timer_t *t)
{
	struct child *c = t->data;
	int ret;

	if (c->stopping)
		return;
	if (c->polling) { /* the last socket is still being closed */
		uv_timer_start(t, restart_due, 1, 0);
		return;
	}
	c->restarts++;
	ret = child_start(c);
	if (ret) {
		log_error("%s %u cannot be started: %s", child_name(c), c->index, strerror(-ret));
		uv_timer_start(t, restart_due, WATCH_DELAY_MAX_MS, 0);
	}
}

/* The descriptor is closed only when libuv has let go of it. */
static void poll_closed(uv_handle_t *h)
{
	struct child *c = h->data;

	close(c->socket);
	c->socket = -1;
	c->polling = false;
}

void child_reap(struct child *c)
{
	unsigned delay;
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	delay = watch_ended(&c->watch, uv_now(c->loop));
	c->kind->ended(c, status, delay);
	if (c->polling)
		uv_close((uv_handle_t *)&c->poll, poll_closed);
	if (!c->stopping)
		uv_timer_start(&c->restart, restart_due, delay, 0);
}

void child_stop(struct child *c)
{
	c->stopping = true;
	if (c->loop && !uv_is_closing((uv_handle_t *)&c->restart))
		uv_close((uv_handle_t *)&c->restart, NULL);
}
