// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * linkem [-3] [-t SECONDS] -f FILE NS:IF NS:IF: a link with delay, loss and a rate, between two TAP devices (-3: TUN)
 * that it makes in two network namespaces. Meant for kernels without netem. Ends on SIGTERM, after SECONDS (an hour),
 * or when a namespace goes away.
 *
 * FILE holds parameters, read at start and again on SIGHUP:
 *   delay=MS jitter=MS loss=PERCENT rate=MBIT limit=KIB mtu=BYTES reorder=0|1 down=0|1
 * each for both directions, or with "ab." or "ba." before it for one. Fractions are allowed. delay is one way; jitter
 * adds 0 to that much, evenly; packets keep their order unless reorder=1; limit is the queue in front of rate; what is
 * longer than mtu (0: nothing is) is lost without a word.
 *
 * One thread. A packet's way: the queue (its length is known from when the last packet will have left) gives a
 * departure, delay and jitter an arrival, and it waits in a ring sorted by arrival.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME 2048 /* bytes: an Ethernet frame of MTU 1500 with VLAN tags and the virtio header */
#define ETHER 14 /* bytes: the header of a frame */
#define RING 16384 /* packets on their way in one direction; a power of two */
#define BATCH 64 /* packets taken from a device before deliveries are looked at */
#define NS_PER_MS 1e6
#define DEFAULT_SECONDS 3600

struct params {
	double delay, jitter; /* ms */
	double loss; /* percent */
	double rate; /* Mbit/s; 0: no limit */
	double limit; /* KiB */
	double mtu; /* bytes of an IP packet */
	double reorder, down; /* not 0: yes */
};

static const struct {
	const char *name;
	size_t at;
} param_table[] = {
	{ "delay", offsetof(struct params, delay) },	 { "jitter", offsetof(struct params, jitter) },
	{ "loss", offsetof(struct params, loss) },	 { "rate", offsetof(struct params, rate) },
	{ "limit", offsetof(struct params, limit) },	 { "mtu", offsetof(struct params, mtu) },
	{ "reorder", offsetof(struct params, reorder) }, { "down", offsetof(struct params, down) },
};
#define PARAMS (sizeof(param_table) / sizeof(param_table[0]))

struct packet {
	uint64_t due; /* ns, CLOCK_MONOTONIC */
	uint32_t len;
	uint8_t *data;
};

struct direction {
	int from, to;
	struct params p;
	uint64_t free_at; /* when the last packet will have left the queue */
	uint64_t last_due;
	struct packet ring[RING];
	uint32_t head, tail; /* running numbers; tail is the next free slot */
	uint8_t *spare[RING + 1]; /* buffers not in use, the last used first */
	uint32_t spares;
	uint64_t sent, lost, dropped;
};

static struct direction dir[2];
static volatile sig_atomic_t quit, reread;
static uint64_t random_state = 0x6d70676174650001ULL;

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		reread = 1;
	else
		quit = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Even in [0, 1). */
static double chance(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

/* One NAME=VALUE; false when it is not understood. */
static bool param_set(struct params p[2], const char *word)
{
	bool ab = !strncmp(word, "ab.", 3), ba = !strncmp(word, "ba.", 3);
	const char *eq = strchr(word, '=');
	double value;
	char *end;

	if (!eq)
		return false;
	value = strtod(eq + 1, &end);
	if (end == eq + 1 || *end || value < 0)
		return false;
	word += ab || ba ? 3 : 0;
	for (size_t i = 0; i < PARAMS; i++) {
		if (strlen(param_table[i].name) != (size_t)(eq - word) ||
		    strncmp(word, param_table[i].name, (size_t)(eq - word)))
			continue;
		if (!ba)
			memcpy((char *)&p[0] + param_table[i].at, &value, sizeof(value));
		if (!ab)
			memcpy((char *)&p[1] + param_table[i].at, &value, sizeof(value));
		return true;
	}
	return false;
}

/* Parameters start from their defaults at each reading; a bad file leaves those in force. */
static bool params_read(const char *path)
{
	struct params p[2] = { { .limit = 256 }, { .limit = 256 } };
	FILE *f = fopen(path, "re");
	char word[64];

	if (!f) {
		fprintf(stderr, "linkem: %s: %s\n", path, strerror(errno));
		return false;
	}
	while (fscanf(f, "%63s", word) == 1) {
		if (!param_set(p, word)) {
			fprintf(stderr, "linkem: %s: not understood: %s\n", path, word);
			fclose(f);
			return false;
		}
	}
	fclose(f);
	dir[0].p = p[0];
	dir[1].p = p[1];
	return true;
}

static short device = IFF_TAP;
static uint32_t header = ETHER; /* of frames, not of packets */

/* Makes the TAP, or TUN, named by "NAMESPACE:INTERFACE"; exits when that fails. */
static int tap_open(char *spec)
{
	struct ifreq ifr = { .ifr_flags = (short)(device | IFF_NO_PI | IFF_VNET_HDR) };
	char *colon = strrchr(spec, ':'), path[256];
	int ns, fd, offloads = sizeof(struct virtio_net_hdr);

	if (!colon || strlen(colon + 1) >= IFNAMSIZ) {
		fprintf(stderr, "linkem: %s is not NAMESPACE:INTERFACE\n", spec);
		exit(2);
	}
	*colon = 0;
	strcpy(ifr.ifr_name, colon + 1);
	snprintf(path, sizeof(path), "/run/netns/%s", spec);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET)) {
		fprintf(stderr, "linkem: namespace %s: %s\n", spec, strerror(errno));
		exit(1);
	}
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	/* Checksums are left to the receiver; big frames are not, or rate and loss would be as coarse as they are. */
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &offloads) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM)) {
		fprintf(stderr, "linkem: %s: %s\n", ifr.ifr_name, strerror(errno));
		exit(1);
	}
	return fd;
}

/* When a packet of len bytes arrives at the other end; 0: never. */
static uint64_t arrival(struct direction *d, uint64_t now, uint32_t len)
{
	double ns_per_byte = d->p.rate > 0 ? 8e3 / d->p.rate : 0;
	uint64_t leaves, due;

	if (d->p.down > 0 || (d->p.loss > 0 && chance() * 100 < d->p.loss) ||
	    (d->p.mtu > 0 && len > d->p.mtu + header)) {
		d->lost++;
		return 0;
	}
	leaves = d->free_at > now ? d->free_at : now;
	if (d->tail - d->head == RING ||
	    (ns_per_byte > 0 && (double)(leaves - now) > d->p.limit * 1024 * ns_per_byte)) {
		d->dropped++;
		return 0;
	}
	leaves += (uint64_t)(len * ns_per_byte);
	d->free_at = leaves;
	due = leaves + (uint64_t)(d->p.delay * NS_PER_MS);
	if (d->p.jitter > 0)
		due += (uint64_t)(chance() * d->p.jitter * NS_PER_MS);
	if (!(d->p.reorder > 0) && due < d->last_due)
		due = d->last_due;
	d->last_due = due;
	return due;
}

static void enqueue(struct direction *d, struct packet pkt)
{
	uint32_t at = d->tail++;

	while (at != d->head && d->ring[(at - 1) % RING].due > pkt.due) {
		d->ring[at % RING] = d->ring[(at - 1) % RING];
		at--;
	}
	d->ring[at % RING] = pkt;
}

/* Takes what the device has; false when it is gone. */
static bool take(struct direction *d, uint64_t now)
{
	for (int i = 0; i < BATCH; i++) {
		struct packet pkt;
		ssize_t n;

		pkt.data = d->spares ? d->spare[--d->spares] : malloc(FRAME);
		if (!pkt.data)
			return false;
		n = read(d->from, pkt.data, FRAME);
		if (n > (ssize_t)sizeof(struct virtio_net_hdr)) {
			pkt.len = (uint32_t)n;
			pkt.due = arrival(d, now, pkt.len - (uint32_t)sizeof(struct virtio_net_hdr));
			if (pkt.due) {
				enqueue(d, pkt);
				continue;
			}
		}
		d->spare[d->spares++] = pkt.data;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR || errno == EIO; /* EIO: the device is not up */
	}
	return true;
}

static void deliver(struct direction *d, uint64_t now)
{
	while (d->head != d->tail && d->ring[d->head % RING].due <= now) {
		struct packet *pkt = &d->ring[d->head++ % RING];

		if (write(d->to, pkt->data, pkt->len) == (ssize_t)pkt->len)
			d->sent++;
		else
			d->dropped++;
		d->spare[d->spares++] = pkt->data;
	}
}

static void run(const char *path, const sigset_t *open_mask)
{
	struct pollfd fds[2] = { { .fd = dir[0].from, .events = POLLIN }, { .fd = dir[1].from, .events = POLLIN } };

	while (!quit) {
		uint64_t now = now_ns(), next = now + 1000000000U;
		struct timespec wait;

		for (int i = 0; i < 2; i++) {
			deliver(&dir[i], now);
			if (dir[i].head != dir[i].tail && dir[i].ring[dir[i].head % RING].due < next)
				next = dir[i].ring[dir[i].head % RING].due;
		}
		wait = (struct timespec){ .tv_sec = (time_t)((next - now) / 1000000000U),
					  .tv_nsec = (long)((next - now) % 1000000000U) };
		if (ppoll(fds, 2, &wait, open_mask) < 0 && errno != EINTR)
			break;
		now = now_ns();
		for (int i = 0; i < 2; i++)
			if (!take(&dir[i], now))
				return;
		if (reread) {
			reread = 0;
			params_read(path);
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned seconds = DEFAULT_SECONDS;
	const char *path = NULL;
	sigset_t mask, open_mask;
	int opt;

	while ((opt = getopt(argc, argv, "3t:f:")) != -1) {
		if (opt == '3') {
			device = IFF_TUN;
			header = 0;
		}
		if (opt == 't')
			seconds = (unsigned)atoi(optarg);
		if (opt == 'f')
			path = optarg;
	}
	if (!path || argc - optind != 2) {
		fprintf(stderr, "usage: linkem [-3] [-t SECONDS] -f FILE NAMESPACE:IF NAMESPACE:IF\n");
		return 2;
	}
	if (!params_read(path))
		return 1;
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_BLOCK, &mask, &open_mask);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	alarm(seconds);
	prctl(PR_SET_TIMERSLACK, 1UL);
	dir[0].from = dir[1].to = tap_open(argv[optind]);
	dir[1].from = dir[0].to = tap_open(argv[optind + 1]);
	run(path, &open_mask);
	for (int i = 0; i < 2; i++)
		fprintf(stderr, "linkem: %s: %llu carried, %llu lost, %llu dropped\n", i ? "ba" : "ab",
			(unsigned long long)dir[i].sent, (unsigned long long)dir[i].lost,
			(unsigned long long)dir[i].dropped);
	return 0;
}
