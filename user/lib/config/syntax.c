// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/syntax.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <lib/config/blank.h>
#include <lib/config/where.h>

#define TAB "a tab at the beginning of a line: indent with spaces"
#define QUOTE "a quote that is not closed"
#define MISSING "a quote is missing, in this line or the next ones"
#define SPECIAL "has a meaning of its own at the beginning of a word: put the word in quotes"

/*
 * By a part of what libyaml says; the first that fits counts. begun: it is about something that began earlier, and so
 * is the line.
 */
static const struct {
	const char *part, *words;
	bool begun;
} faults[] = {
	{ "tab character", TAB, false },
	{ "control characters", "a byte that is no text", false },
	{ "octet", "a byte that is no UTF-8", false },
	{ "UTF-", "a byte that is no UTF-8", false },
	{ "invalid Unicode", "a byte that is no UTF-8", false },
	{ "surrogate", "a byte that is no UTF-8", false },
	{ "expected ',' or ']'", "a list that is not closed: ',' or ']' is missing", true },
	{ "expected ',' or '}'", "a '{' that is not closed: ',' or '}' is missing", true },
	{ "could not find expected ':'", "a key without a ': ' behind it", true },
	{ "unexpected ':'", "a ':' inside a word: put the word in quotes, as in \"2001:db8::1\"", false },
	{ "mapping values are not allowed",
	  "a ':' that is not expected: a key above lacks its ': ', or this line is indented otherwise than its "
	  "neighbours",
	  false },
	{ "block sequence entries are not allowed",
	  "a '-' that is not expected: an entry of a list begins a line of its own, below the list's key", false },
	{ "mapping keys are not allowed", "a '?' that is not expected: put the word in quotes", false },
	{ "did not find expected key",
	  "indented otherwise than the lines above, or a value that goes on behind its end", false },
	{ "expected '-' indicator", "indented otherwise than the lines above, or a '-' is missing", false },
	{ "expected node content", "a value is missing, or it needs quotes, as in \"::\"", false },
	{ "unexpected end of stream", QUOTE, true },
	{ "unexpected document indicator", QUOTE, true },
	{ "escape", "a '\\' that means nothing here: in single quotes it stands for itself", false },
	{ "hexdecimal", "a '\\' that means nothing here: in single quotes it stands for itself", false },
	{ "undefined alias", "'*' " SPECIAL, false },
	{ "alphabetic or numeric", "'*' or '&' " SPECIAL, false },
	{ "duplicate anchor", "'&' " SPECIAL, false },
	{ "tag handle", "'!' " SPECIAL, false },
	{ "expected '!'", "'!' " SPECIAL, false },
	{ "tag URI", "'!' " SPECIAL, false },
	{ "directive", "'%' " SPECIAL, false },
	{ "non-alphabetical", "'%' " SPECIAL, false },
	{ "comment or line break", "'|' or '>' " SPECIAL, false },
	{ "indentation indicator", "'|' or '>' " SPECIAL, false },
	{ "cannot start any token", "this character " SPECIAL, false },
	{ "<document start>", "more than the configuration, which ends above, or indented less than that", false },
};

static size_t line_of_offset(const char *text, size_t offset)
{
	size_t line = 0;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

/* Is there a tab among the blanks that the line begins with? */
static bool is_tabbed(const char *text, size_t len, size_t line)
{
	const char *end = text + len;

	for (; line && text; line--) {
		text = memchr(text, '\n', (size_t)(end - text));
		text = text ? text + 1 : NULL;
	}
	for (; text && text < end && (*text == ' ' || *text == '\t'); text++)
		if (*text == '\t')
			return true;
	return false;
}

/* The lines from first to last have an odd number of double quotes. */
static bool lacks_quote(const char *text, size_t len, size_t first, size_t last)
{
	bool odd = false;
	size_t line = 0;

	for (size_t i = 0; i < len && line <= last; i++) {
		line += text[i] == '\n';
		odd ^= text[i] == '"' && line >= first;
	}
	return odd;
}

/* What looks like a blank in front of the end of that line, but for comments and quotes: its line and name, or NULL. */
static const char *find_blank(const char *text, size_t len, size_t last, size_t *line)
{
	bool quoted = false;
	size_t bytes;

	*line = 0;
	for (size_t i = 0; i < len && *line <= last; i++) {
		const char *name = quoted ? NULL : blank_name(text + i, len - i, &bytes);

		if (name)
			return name;
		quoted = text[i] != '\n' && (quoted || strchr("#\"'", text[i]));
		*line += text[i] == '\n';
	}
	return NULL;
}

int syntax_fault(const yaml_parser_t *parser, const char *text, size_t len, const char *name, struct cfg_error *err)
{
	const char *problem = parser->problem ? parser->problem : "", *words = "this is no YAML";
	size_t line = parser->problem_mark.line, begun;
	const char *blank;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* Faults of the encoding come with an offset and no line. */
	if (parser->error == YAML_READER_ERROR)
		line = line_of_offset(text, parser->problem_offset < len ? parser->problem_offset : len);
	else if (is_tabbed(text, len, line))
		return where_fail(err, name, (unsigned)line + 1, TAB);
	else if ((blank = find_blank(text, len, line, &begun)))
		return where_fail(err, name, (unsigned)begun + 1, "%s, which is no blank here: use plain ones", blank);
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (!strstr(problem, faults[i].part))
			continue;
		words = faults[i].words;
		begun = faults[i].begun && parser->context ? parser->context_mark.line : line;
		if (strstr(problem, "expected ',' or") && lacks_quote(text, len, begun, line))
			words = MISSING;
		line = begun;
		break;
	}
	return where_fail(err, name, (unsigned)line + 1, "%s", words);
}
