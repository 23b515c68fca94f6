// SPDX-License-Identifier: GPL-2.0-or-later
/* notify SOCKET SECONDS [STATE]: waits for STATE, READY=1, on a notify socket (sd_notify(3)); exit 0 when it came,
 * else 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stdbool.h>
#include <unistd.h>

static bool says(const char *state, const char *wanted)
{
	for (const char *p = state; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, wanted, strlen(wanted)))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char state[1024];
	int fd;

	if (argc < 3 || argc > 4 || strlen(argv[1]) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "usage: notify SOCKET SECONDS [STATE]\n");
		return 2;
	}
	strcpy(sun.sun_path, argv[1]);
	unlink(argv[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		perror("notify: socket");
		return 1;
	}
	alarm((unsigned)atoi(argv[2]));
	for (;;) {
		ssize_t n = recv(fd, state, sizeof(state) - 1, 0);

		if (n < 0)
			return 1;
		state[n] = 0;
		if (says(state, argc > 3 ? argv[3] : "READY=1"))
			return 0;
	}
}
