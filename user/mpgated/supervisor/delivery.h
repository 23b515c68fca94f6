/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does what steer marks on a link reach its socket? Asked without a client. */
#ifndef MPGATED_DELIVERY_H
#define MPGATED_DELIVERY_H

#include <mpgated/datapath/datapath.h>
#include <mpgated/paths/paths.h>

enum delivery {
	DELIVERY_UNKNOWN, /* cannot be tried here */
	DELIVERY_WORKS,
	DELIVERY_FAILS,
};

/*
 * Lets a packet of each family come in on a link of this name where steer is attached: FAILS when one of them does not
 * reach its socket. Nothing is sent. It takes 100 ms at most for each that fails.
 */
enum delivery delivery_test(const struct datapath *dp, const struct paths *paths, unsigned ifindex, const char *name);

#endif
