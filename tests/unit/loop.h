/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libuv's loop without a kernel, for parts of the supervisor: timers by a clock that the test turns, descriptors that
 * are ready when it says so. What libuv asserts is checked. Nothing in it waits, and nothing happens by chance.
 */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#define LOOP_START 1000000ULL /* ms: where the clock begins */

/* No handle, and the clock as it begins. */
void loop_new(void);
/* What is due within so many ms happens, each at its time; who was closed is told. 0: what is due now. */
void loop_pass(uint64_t ms);
/* The process is busy for so long: the clock goes on, and the loop does not see it. */
void loop_busy(uint64_t ms);
/* A descriptor is ready, or poll reports an error (status): who watches it is told. False: nobody does, for that. */
bool loop_ready(int fd, int status, int events);
/* The events that a descriptor is watched for; 0: none. */
int loop_watched(int fd);
/* The next descriptor cannot be watched, with that error of libuv. */
void loop_refuse(int err);
/* Handles that are not closed yet; timers that run. */
unsigned loop_handles(void);
unsigned loop_timers(void);

#endif
