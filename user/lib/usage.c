// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/usage.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/fields.h>

#define BACK_S 86400 /* a clock that goes back, and stays there for so long, is right */
#define OUR_TIME 1735689600 /* 2025-01-01: no clock that is right says less */
#define HEAD "mpgate usage 1\n"
#define LINE 160 /* bytes of the longest line */
#define LINE_FIELDS 6 /* more than any has */

/* --- days */

static uint32_t make_day(unsigned year, unsigned month, unsigned day)
{
	return year * 10000 + month * 100 + day;
}

uint32_t usage_month(uint32_t day, unsigned reset)
{
	unsigned year = day / 10000, month = day / 100 % 100;

	if (day % 100 < reset) {
		year -= month == 1;
		month = month == 1 ? 12 : month - 1;
	}
	return make_day(year, month, reset);
}

uint32_t usage_next_month(uint32_t day, unsigned reset)
{
	uint32_t begin = usage_month(day, reset);
	unsigned year = begin / 10000, month = begin / 100 % 100;

	return month == 12 ? make_day(year + 1, 1, reset) : make_day(year, month + 1, reset);
}

/* What is written down can be read: a worker, or a driver, may have told any number. */
static void add(uint64_t *to, uint64_t bytes)
{
	*to = bytes < INT64_MAX - *to ? *to + bytes : INT64_MAX;
}

static bool is_day(uint32_t day)
{
	return !day || (day / 10000 <= 9999 && day / 100 % 100 - 1 < 12 && day % 100 - 1 < 31);
}

/* Days are in order: finds the one, or makes room for it. */
static struct usage_day *find_day(struct usage_item *item, uint32_t day)
{
	unsigned at = item->count;

	while (at && item->day[at - 1].day > day)
		at--;
	if (at && item->day[at - 1].day == day)
		return &item->day[at - 1];
	if (item->count == USAGE_DAYS) {
		/* The oldest goes, or is added to when this one would be older. */
		if (!at)
			return &item->day[0];
		at--;
		memmove(&item->day[0], &item->day[1], at * sizeof(item->day[0]));
	} else {
		memmove(&item->day[at + 1], &item->day[at], (item->count - at) * sizeof(item->day[0]));
		item->count++;
	}
	item->day[at] = (struct usage_day){ .day = day };
	return &item->day[at];
}

/* Later days, and those before the clock was right, are that day's. */
static void move_days(struct usage_item *item, uint32_t today)
{
	struct usage_item old = *item;

	item->count = 0;
	for (unsigned i = 0; i < old.count; i++) {
		uint32_t day = old.day[i].day && old.day[i].day <= today ? old.day[i].day : today;
		struct usage_day *to = find_day(item, day);

		add(&to->up, old.day[i].up);
		add(&to->down, old.day[i].down);
	}
}

/* Has it for long? Many a machine has no clock of its own, and starts with a time of weeks ago until it is told. */
static bool stays_back(struct usage *u, time_t now)
{
	if (!u->back || now < u->back)
		u->back = now;
	return now - u->back >= BACK_S;
}

uint32_t usage_today(struct usage *u, time_t now)
{
	struct tm tm;
	uint32_t day;

	if (now < OUR_TIME || !localtime_r(&now, &tm) || tm.tm_year > 9999 - 1900)
		return u->last;
	day = make_day((unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday);
	if (u->last && day < u->last && !stays_back(u, now))
		return u->last;
	u->back = 0;
	if (!u->last || day < u->last)
		for (unsigned i = 0; i < u->count; i++)
			move_days(&u->items[i], day);
	u->last = day;
	return day;
}

/* --- names */

const struct usage_item *usage_find(const struct usage *u, enum usage_kind kind, const char *name)
{
	for (unsigned i = 0; i < u->count; i++)
		if (u->items[i].kind == kind && !strcmp(u->items[i].name, name))
			return &u->items[i];
	return NULL;
}

static uint32_t newest(const struct usage_item *item)
{
	return item->count ? item->day[item->count - 1].day : 0;
}

static struct usage_item *add_item(struct usage *u, enum usage_kind kind, const char *name)
{
	struct usage_item *items, *item;

	if (u->count == USAGE_NAMES) {
		item = u->items;
		for (unsigned i = 1; i < u->count; i++)
			if (newest(&u->items[i]) < newest(item))
				item = &u->items[i];
	} else {
		items = reallocarray(u->items, u->count + 1, sizeof(*items));
		if (!items)
			return NULL;
		u->items = items;
		item = &items[u->count++];
	}
	*item = (struct usage_item){ .kind = kind };
	snprintf(item->name, sizeof(item->name), "%s", name);
	return item;
}

int usage_add(struct usage *u, enum usage_kind kind, const char *name, uint32_t day, uint64_t up, uint64_t down)
{
	const struct usage_item *found = usage_find(u, kind, name);
	struct usage_item *item = found ? &u->items[found - u->items] : add_item(u, kind, name);
	struct usage_day *d;

	if (!item)
		return -ENOMEM;
	d = find_day(item, day);
	add(&d->up, up);
	add(&d->down, down);
	return 0;
}

uint64_t usage_since(const struct usage *u, enum usage_kind kind, const char *name, uint32_t day)
{
	const struct usage_item *item = usage_find(u, kind, name);
	uint64_t sum = 0;

	for (unsigned i = 0; item && i < item->count; i++)
		if (item->day[i].day >= day || !item->day[i].day)
			sum += item->day[i].up + item->day[i].down;
	return sum;
}

/* The counters of that interface, as the last of them. The one that was not asked for longest makes room for another.
 */
static struct usage_counter *find_counter(struct usage *u, const char *link, bool *known)
{
	struct usage_counter found = { 0 };
	unsigned at = 0;

	while (at < u->counters && strcmp(u->counter[at].link, link) != 0)
		at++;
	*known = at < u->counters;
	if (*known) {
		found = u->counter[at];
	} else {
		snprintf(found.link, sizeof(found.link), "%s", link);
		at = 0;
	}
	if (*known || u->counters == USAGE_COUNTERS)
		memmove(&u->counter[at], &u->counter[at + 1], (--u->counters - at) * sizeof(found));
	u->counter[u->counters] = found;
	return &u->counter[u->counters++];
}

void usage_count(struct usage *u, const char *link, const struct usage_counter *now, uint64_t *up, uint64_t *down)
{
	bool known, other;
	struct usage_counter *c = find_counter(u, link, &known);

	other = c->ifindex != now->ifindex;
	/* Some drivers count in 32 bits, and each direction for itself. */
	*up = !known ? 0 : now->tx - (other || now->tx < c->tx ? 0 : c->tx);
	*down = !known ? 0 : now->rx - (other || now->rx < c->rx ? 0 : c->rx);
	c->ifindex = now->ifindex;
	c->rx = now->rx;
	c->tx = now->tx;
}

void usage_free(struct usage *u)
{
	free(u->items);
	*u = (struct usage){ 0 };
}

/* --- text */

static const char *const kinds[] = { [USAGE_PATH] = "path", [USAGE_RULE] = "rule" };

char *usage_print(const struct usage *u, size_t *len)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, len);

	if (!file)
		return NULL;
	fputs(HEAD, file);
	fprintf(file, "last %" PRIu32 "\n", u->last);
	if (u->boot[0])
		fprintf(file, "boot %s\n", u->boot);
	for (unsigned i = 0; i < u->counters; i++)
		fprintf(file, "counter %s %u %" PRIu64 " %" PRIu64 "\n", u->counter[i].link, u->counter[i].ifindex,
			u->counter[i].rx, u->counter[i].tx);
	for (unsigned i = 0; i < u->count; i++)
		for (unsigned k = 0; k < u->items[i].count; k++)
			fprintf(file, "%s %s %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", kinds[u->items[i].kind],
				u->items[i].name, u->items[i].day[k].day, u->items[i].day[k].up,
				u->items[i].day[k].down);
	fputs("end\n", file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* "WORD NAME DAY UP DOWN" */
static int parse_day(struct usage *u, char *const *f)
{
	uint64_t day, up, down;

	if (!fields_number(f[2], 10, UINT32_MAX, &day) || !is_day((uint32_t)day) ||
	    !fields_number(f[3], 10, INT64_MAX, &up) || !fields_number(f[4], 10, INT64_MAX, &down) ||
	    strlen(f[1]) >= USAGE_NAME)
		return -EPROTO;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(f[0], kinds[i]))
			return usage_add(u, (enum usage_kind)i, f[1], (uint32_t)day, up, down);
	return -EPROTO;
}

/* "counter LINK IFINDEX RX TX" */
static int parse_counter(struct usage *u, char *const *f)
{
	struct usage_counter *c = &u->counter[u->counters];
	uint64_t ifindex;

	if (u->counters == USAGE_COUNTERS || strlen(f[1]) >= sizeof(c->link) ||
	    !fields_number(f[2], 10, UINT32_MAX, &ifindex) || !fields_number(f[3], 10, UINT64_MAX, &c->rx) ||
	    !fields_number(f[4], 10, UINT64_MAX, &c->tx))
		return -EPROTO;
	strcpy(c->link, f[1]);
	c->ifindex = (unsigned)ifindex;
	u->counters++;
	return 0;
}

/* One line but the first and the last. 0, -ENOMEM or -EPROTO. */
static int parse_line(struct usage *u, char *line)
{
	char *f[LINE_FIELDS];
	unsigned n = fields_split(line, " ", f, LINE_FIELDS);
	uint64_t day;

	if (n == 5)
		return !strcmp(f[0], "counter") ? parse_counter(u, f) : parse_day(u, f);
	if (n != 2)
		return -EPROTO;
	if (!strcmp(f[0], "boot") && strlen(f[1]) < sizeof(u->boot)) {
		strcpy(u->boot, f[1]);
		return 0;
	}
	if (strcmp(f[0], "last") != 0 || !fields_number(f[1], 10, UINT32_MAX, &day) || !is_day((uint32_t)day))
		return -EPROTO;
	u->last = (uint32_t)day;
	return 0;
}

int usage_parse(struct usage *u, const char *text)
{
	struct usage read = { 0 };
	bool ended = false;
	int err = strncmp(text, HEAD, strlen(HEAD)) != 0 ? -EPROTO : 0;

	for (text += err ? 0 : strlen(HEAD); !err && *text;) {
		size_t len = strcspn(text, "\n");
		char line[LINE];

		/* A line that has no end is one that was cut off. */
		if (len >= sizeof(line) || !text[len] || ended) {
			err = -EPROTO;
			break;
		}
		memcpy(line, text, len);
		line[len] = '\0';
		text += len + 1;
		ended = !strcmp(line, "end");
		if (!ended)
			err = parse_line(&read, line);
	}
	if (!err && !ended)
		err = -EPROTO;
	if (err) {
		usage_free(&read);
		return err;
	}
	usage_free(u);
	*u = read;
	return 0;
}
