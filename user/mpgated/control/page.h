/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status page's files, and who gets it. Pure: no I/O. */
#ifndef MPGATED_PAGE_H
#define MPGATED_PAGE_H

#include <stddef.h>

#include <mpgated/control/http.h>

/* A file of page/, which is a part of this program. */
struct page_file {
	const char *url, *type, *text;
	size_t len;
};

/* NULL: there is none of that name. */
const struct page_file *page_find(const char *url);

enum page_verdict { PAGE_WELCOME, PAGE_NO_TOKEN, PAGE_CLOSED, PAGE_FOREIGN_NAME };

/* host, authorization: these headers of the request, NULL: it has none. */
enum page_verdict page_admit(const struct http_start *how, const char *host, const char *authorization);

#endif
