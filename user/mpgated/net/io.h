/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What connections need of the kernel besides sockets: events, clocks, random
 * numbers, what BPF programs wrote down. Together with tcp.h and message.h
 * this is all that they know of the world outside; unit tests and the fuzzer
 * link another world in its place (tests/unit/world.c).
 */
#ifndef MPGATED_IO_H
#define MPGATED_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <mpgate/abi.h>

/* Reports `events` of fd under a tag; again: in place of what was watched before. 0 or -errno. */
int io_watch(int epoll, int fd, uint32_t events, uint64_t tag);
int io_watch_again(int epoll, int fd, uint32_t events, uint64_t tag);
void io_unwatch(int epoll, int fd);
/* Waits for events, timeout ms at most (-1: for ever). How many there are; 0 also after a signal. */
int io_wait(int epoll, struct epoll_event *ev, int max, int timeout);

uint64_t io_now(void); /* ms, CLOCK_MONOTONIC */
uint32_t io_wall_clock(void); /* s since 1970 */
uint64_t io_wall_ms(void); /* ms since 1970 */
uint64_t io_boot_clock(void); /* ns, CLOCK_BOOTTIME: nobody sets it */
/* Of the kernel's generator; ends the process when that fails. */
uint64_t io_random(void);

/* Takes the value under a connection's tuple out of a BPF map. False: there is none. */
bool io_take(int map, const struct mpgate_tuple *tuple, void *value);

/* Replaces the value that stands there. False: there is none any more. */
bool io_replace(int map, const struct mpgate_tuple *tuple, const void *value);

/* SYNs that steer holds, from a ring; fn has each until it returns. io_ring_open() before the sandbox; NULL: errno. */
struct io_ring;
typedef void (*io_held)(void *arg, const struct mpgate_held *held);
struct io_ring *io_ring_open(int map, io_held fn, void *arg);
void io_ring_take(struct io_ring *ring);
/* A frame for the device that puts it back. False: it did not get there. */
bool io_put(int fd, const void *frame, size_t len);

/* A second descriptor of what fd is, held in reserve; -errno. */
int io_reserve(int fd);

#endif
