/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's side of its workers, for the test of workers.c: child.c, reports.c and flows.c are the daemon's own,
 * and so are the sockets between the two; processes, signals, listeners and steer are played. A descriptor is known
 * by the size of the memfd that it is.
 */
#ifndef TESTS_UNIT_WORKERS_SCRIPT_H
#define TESTS_UNIT_WORKERS_SCRIPT_H

#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/net/tcp.h>
#include <mpgated/supervisor/supervisor.h>

#define CREW 2U /* workers */
#define CREW_LISTENERS 64U
#define FIRST_PID 1000 /* of worker 0's first process */

/* Sizes of the descriptors that all workers are given, and of the first listener; each has a number of its own. */
enum { SIZE_SNAPSHOT = 1, SIZE_FLOWS, SIZE_CLIENTS, SIZE_SYNACK, SIZE_HOLD, SIZE_RING = 50, SIZE_LISTENERS = 100 };

/* A process of a worker. */
struct proc {
	pid_t pid;
	int socket; /* its end; -1: it has ended */
	bool ended;
	int status; /* as from waitpid(), then */
	unsigned term, cont, killed; /* signals that it got */
	bool stubborn; /* does not end of SIGTERM */
};

struct crew {
	struct supervisor s;
	struct config cfg;
	struct mpgate_addr listen[2];
	struct proc proc[CREW];
	unsigned started; /* processes */
	int start_fails; /* errno of the next start */
	/* Steer, as it was told last. */
	struct {
		bool alive;
		__be16 port;
		unsigned told;
	} steer[CREW];
	unsigned backlog;
	int syncookies, somaxconn; /* -1: there is no such sysctl */
	/* Listeners, as they were opened. */
	struct {
		struct mpgate_addr addr;
		__be16 port;
		struct listen_options opt;
		unsigned keepalive;
	} listener[CREW_LISTENERS];
	unsigned listeners;
	int listen_error[CREW_LISTENERS]; /* errno with which the nth cannot be opened */
	unsigned suspected[4], slow, proved; /* by slot; messages */
	char noted[128]; /* the last error */
	enum trouble trouble; /* and its kind */
	unsigned parked[MPGATE_MAX_PEERS], gone; /* how often that was told: by slot, that a worker is gone */
	struct paths_join join; /* asked for last */
	struct mpgate_addr source; /* that proved a key last */
	struct mpgate_addr broken; /* server that broke on MPTCP last */
	unsigned broken_port;
	bool breaks; /* or speaks it */
	pid_t in_cgroup; /* last */
	bool holds; /* SYNs can be held */
	unsigned rings; /* made; each is larger by a byte than the one before, from SIZE_RING on */
	int ring_fails; /* errno */
};

extern struct crew crew;

struct worker_proc *crew_worker(unsigned i);
/* Worker i takes what it starts with; the sizes of the descriptors. How many there are. */
unsigned crew_take_start(unsigned i, struct worker_start *m, off_t size[PACKET_FDS]);
void crew_new(void);
/* Opens the listeners and starts the workers. 0, or -errno. */
int crew_start(void);
/* Stops all. True: no descriptor is left that was not there before crew_new(). */
bool crew_end(void);
/* Worker i's process ends in that status, and SIGCHLD comes. */
void crew_ends(unsigned i, int status);
/* Worker i says that, with a descriptor (-1: none), which stays the caller's; the supervisor reads. */
void crew_says(unsigned i, const struct message *m, int fd);
/* The next message to worker i. False: there is none. *fd: the descriptor's size, 0: it had none. */
bool crew_hears(unsigned i, struct message *m, off_t *size);
/* A memfd of that many bytes. */
int sized_fd(off_t size);
/* The size of a descriptor, which is closed. */
off_t fd_size(int fd);

#endif
