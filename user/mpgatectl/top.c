/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/top.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <mpgatectl/flows.h>
#include <mpgatectl/look.h>
#include <mpgatectl/screen.h>

#define PAUSE_MS 2000 /* between two looks: each asks all workers */
#define ROWS 24U
#define COLUMNS 80U

#define BEGIN "\033[?1049h\033[?25l" /* the other screen, which xterm has and what is like it; no cursor */
#define END "\033[?25h\033[?1049l"

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* It is only to end the wait for a key. */
static void wake(int signal)
{
	(void)signal;
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(signal, &action, NULL);
}

static void fit(struct screen *s)
{
	struct winsize size = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	s->rows = size.ws_row ? size.ws_row : ROWS;
	s->columns = size.ws_col ? size.ws_col : COLUMNS;
}

/* True: something is to be drawn anew. */
static bool take_key(struct screen *s, char key)
{
	switch (key) {
	case 'q':
		stopped = 1;
		return false;
	case 's':
		s->sort++;
		if (!screen_sorts[s->sort])
			s->sort = 0;
		return true;
	case 'j':
		s->move++;
		return true;
	case 'k':
		s->move--;
		return true;
	case ' ':
		s->paused = !s->paused;
		return true;
	case '\r':
	case '\n':
		s->open = !s->open;
		return true;
	default:
		return false;
	}
}

/* Arrows are three bytes, and come at once. */
static bool take_keys(struct screen *s, const char *keys, ssize_t n)
{
	bool draw = false;

	for (ssize_t i = 0; i < n; i++) {
		if (i + 2 < n && keys[i] == '\033' && (keys[i + 1] == '[' || keys[i + 1] == 'O')) {
			i += 2;
			draw |= take_key(s, keys[i] == 'A' ? 'k' : keys[i] == 'B' ? 'j' : 0);
		} else {
			draw |= take_key(s, keys[i]);
		}
	}
	return draw;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void watch(const char *instance)
{
	struct look last = { 0 }, next;
	struct screen s = { 0 };
	int64_t due = now_ms();

	while (!stopped) {
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
		int64_t left = due - now_ms();
		char keys[64];
		ssize_t n;

		if (left <= 0) {
			if (!s.paused || !last.flows) {
				look_take(instance, flows_order(screen_sorts[s.sort]) ?: "active", &next);
				if (next.flows)
					look_compare(&last, &next);
				look_free(&last);
				last = next;
			}
			due = now_ms() + PAUSE_MS;
			left = PAUSE_MS;
		}
		fit(&s);
		if (s.open)
			look_at_subflows(instance, &last);
		screen_draw(stdout, &s, &last);
		if (poll(&in, 1, (int)left) <= 0)
			continue;
		n = read(STDIN_FILENO, keys, sizeof(keys));
		/* The terminal is gone. */
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			break;
		take_keys(&s, keys, n);
	}
	look_free(&last);
}

int top_run(const char *instance)
{
	struct termios before, raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0) {
		fputs("mpgatectl: top needs a terminal; flows list, paths list and peers list do not\n", stderr);
		return -ENOTTY;
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	handle(SIGINT, stop);
	handle(SIGTERM, stop);
	handle(SIGHUP, stop);
	handle(SIGWINCH, wake);
	handle(SIGTSTP, SIG_IGN);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(BEGIN, stdout);
	watch(instance);
	fputs(END, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return 0;
}
