/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Characters that look like a blank, or like nothing, and are letters for YAML. */
#ifndef LIB_CONFIG_BLANK_H
#define LIB_CONFIG_BLANK_H

#include <stddef.h>

/* Its name if the text of len bytes begins with one, and its bytes; NULL: it does not. */
const char *blank_name(const char *text, size_t len, size_t *bytes);

#endif
