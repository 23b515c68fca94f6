// SPDX-License-Identifier: GPL-2.0-or-later
/* portrange: does this kernel know IP_LOCAL_PORT_RANGE (Linux 6.3)? Exit 0: yes. */
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

int main(void)
{
	uint32_t range = 40000U << 16 | 30000;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 || setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0;
}
