/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a text that is no address or prefix, and what was meant. The words go behind the text. */
#ifndef LIB_CONFIG_MEANT_H
#define LIB_CONFIG_MEANT_H

#include <stdbool.h>

#define MEANT_TEXT 128 /* bytes */

bool meant_host(const char *text); /* a name of DNS or of /etc/hosts, by its letters */
/* Of an address: one of the common mistakes, or `otherwise`. */
const char *meant_address(const char *text, const char *otherwise);
/* For an error of prefix_parse(text): words, maybe in buf. */
const char *meant_prefix(const char *text, int err, char buf[MEANT_TEXT]);

#endif
