// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/ipc/message.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for one descriptor more than is taken, so that one that is too many is seen, and closed. */
union descriptors {
	char buf[CMSG_SPACE((PACKET_FDS + 1) * sizeof(int))];
	struct cmsghdr align;
};

int packet_send(int socket, const void *data, size_t len, const int *fds, unsigned n)
{
	union descriptors ctl = { .buf = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > PACKET_FDS)
		return -E2BIG;
	if (n) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&ctl.align), fds, n * sizeof(int));
	}
	return sendmsg(socket, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Takes the descriptors of a packet into fds; those beyond max are closed. How many there were. */
static unsigned take_descriptors(struct msghdr *mh, int *fds, unsigned max)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		const unsigned char *data = CMSG_DATA(c);
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int), n++) {
			int fd;

			memcpy(&fd, data + at, sizeof(fd));
			if (n < max)
				fds[n] = fd;
			else
				close(fd);
		}
	}
	return n;
}

int packet_receive(int socket, void *data, size_t len, int *fds, unsigned max, unsigned *n, int flags)
{
	union descriptors ctl;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf)
	};
	ssize_t got = recvmsg(socket, &mh, flags | MSG_CMSG_CLOEXEC);
	unsigned count;

	*n = 0;
	if (got < 0)
		return -errno;
	count = take_descriptors(&mh, fds, max);
	if (got == (ssize_t)len && !(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && count <= max) {
		*n = count;
		return 1;
	}
	for (unsigned i = 0; i < count && i < max; i++)
		close(fds[i]);
	/* What is sent is taken as far as there is room in our table. */
	if (got == (ssize_t)len && (mh.msg_flags & MSG_CTRUNC) && count < max)
		return -EMFILE;
	return got == 0 && !count ? 0 : -EPROTO;
}

int message_send(int socket, const struct message *m, int fd)
{
	return packet_send(socket, m, sizeof(*m), &fd, fd >= 0);
}

int message_receive(int socket, struct message *m, int *fd)
{
	unsigned n;
	int ret = packet_receive(socket, m, sizeof(*m), fd, 1, &n, MSG_DONTWAIT);

	if (ret != 1 || !n)
		*fd = -1;
	return ret;
}
