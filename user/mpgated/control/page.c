// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/control/page.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include <lib/addr.h>

#include "page.css.h"
#include "page.html.h"
#include "page.js.h"

#define CREDENTIALS 256U /* bytes of name and password */

#define FILE_OF(url, type, text)                                                                                       \
	{                                                                                                              \
		url, type "; charset=utf-8", text, sizeof(text) - 1                                                    \
	}

static const struct page_file files[] = {
	FILE_OF("/", "text/html", page_html),
	FILE_OF("/page.css", "text/css", page_css),
	FILE_OF("/page.js", "text/javascript", page_js),
};

const struct page_file *page_find(const char *url)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(files[i].url, url))
			return &files[i];
	return NULL;
}

/*
 * A name that others may have led here (DNS rebinding) is not ours: an address, or localhost, cannot be. Without a
 * header it is no browser.
 */
static bool is_own_name(const char *host)
{
	char name[ADDR_TEXT];
	struct mpgate_addr addr;
	size_t len;

	if (!host)
		return true;
	if (*host == '[')
		len = strcspn(++host, "]");
	else
		len = strcspn(host, ":");
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return !strcasecmp(name, "localhost") || addr_parse(name, &addr) == 0;
}

static bool is_token(const struct http_start *how, const char *text, size_t len)
{
	struct key given;
	bool same = key_parse(text, len, &given) == 0 &&
		    sodium_memcmp(given.secret, how->token.secret, sizeof(given.secret)) == 0;

	key_wipe(&given, sizeof(given));
	return same;
}

/* What follows a scheme's name in the header, NULL: it is another one. */
static const char *behind(const char *authorization, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ')
		return NULL;
	return authorization + len + strspn(authorization + len, " ");
}

/* As a browser asks for it: the password is the token, whatever the name. */
static bool is_password(const struct http_start *how, const char *text)
{
	char both[CREDENTIALS];
	const char *colon;
	size_t len;
	bool same;

	if (sodium_base642bin((unsigned char *)both, sizeof(both), text, strlen(text), NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL))
		return false;
	colon = memchr(both, ':', len);
	same = colon && is_token(how, colon + 1, len - (size_t)(colon + 1 - both));
	key_wipe(both, sizeof(both));
	return same;
}

static bool has_token(const struct http_start *how, const char *authorization)
{
	const char *text;

	if (!authorization)
		return false;
	text = behind(authorization, "Bearer");
	if (text)
		return is_token(how, text, strlen(text));
	text = behind(authorization, "Basic");
	return text && is_password(how, text);
}

enum page_verdict page_admit(const struct http_start *how, const char *host, const char *authorization)
{
	switch (how->guard) {
	case HTTP_TOKEN:
		return has_token(how, authorization) ? PAGE_WELCOME : PAGE_NO_TOKEN;
	case HTTP_LOCAL:
		return is_own_name(host) ? PAGE_WELCOME : PAGE_FOREIGN_NAME;
	default:
		return PAGE_CLOSED;
	}
}
