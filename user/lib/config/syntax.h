/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a text is no YAML, in words for who wrote it: libyaml's own are for who knows its grammar. */
#ifndef LIB_CONFIG_SYNTAX_H
#define LIB_CONFIG_SYNTAX_H

#include <stddef.h>
#include <yaml.h>

#include <lib/config/config.h>

/* The parser has stopped in the len bytes of text. -EINVAL with *err filled in, or -ENOMEM. */
int syntax_fault(const yaml_parser_t *parser, const char *text, size_t len, const char *name, struct cfg_error *err);

#endif
