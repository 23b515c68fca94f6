/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold whatever the input is: else the harness says so and crashes, and the input is kept. */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			(void)fprintf(stderr, "line %d: %s\n", __LINE__, #what);                                       \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
