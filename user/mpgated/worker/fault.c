// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A worker that is ended, by a fault or by SIGTERM, resets its connections.
 * Left to the kernel, their sockets would be closed in order, and who reads a
 * stream to its end would take what was cut off for all there is.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#define STACK 16384 /* bytes; the fault may be the end of the stack itself */

static int highest = STDERR_FILENO; /* descriptor of a connection */

void fault_covers(int fd)
{
	if (fd > highest)
		highest = fd;
}

/* Only system calls from here on: the memory may be in any state. */
static void reset_connections(int sig, siginfo_t *info, void *context)
{
	int listening;
	socklen_t len = sizeof(listening);

	(void)context;
	for (int fd = STDERR_FILENO + 1; fd <= highest; fd++)
		/* Listeners are the supervisor's and the next worker's as well. */
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && !listening)
			tcp_reset(fd, true);
	/* A call is refused where the memory is as it should be, or else the number is what it tells. */
	if (sig == SIGSYS && info->si_code > 0)
		log_error("system call %d is not for a worker", info->si_syscall);
	/*
	 * The handler is spent: a fault happens again and ends the process. What was sent, by abort() as well, does
	 * not; nor does a system call that the sandbox refuses.
	 */
	if (info->si_code <= 0 || sig == SIGSYS)
		_exit(128 + sig);
}

int fault_handlers(void)
{
	static char own_stack[STACK];
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTERM };
	struct sigaction act = { .sa_sigaction = reset_connections,
				 .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_ONSTACK };
	stack_t stack = { .ss_size = sizeof(own_stack), .ss_sp = own_stack };

	if (sigaltstack(&stack, NULL) < 0)
		return -errno;
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (sigaction(fatal[i], &act, NULL) < 0)
			return -errno;
	return 0;
}
