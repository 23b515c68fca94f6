/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that was freed. */
#ifndef LIB_TRIM_H
#define LIB_TRIM_H

#include <malloc.h>

/* What glibc keeps of it goes back to the kernel; other C libraries keep little, and cannot be asked. */
static inline void trim_memory(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

#endif
