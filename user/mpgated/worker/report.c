// SPDX-License-Identifier: GPL-2.0-or-later
/* What connections tell the supervisor and the log. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/worker/conn.h>

#define NOTES_PER_SECOND 10

void report_full(struct worker *w)
{
	unsigned limit = w->room && w->room < w->snap->connections ? w->room : w->snap->connections;
	struct message m = { .type = MSG_FULL };

	m.value = reserve_touched(w) || worker_load(w) >= (w->full ? limit - limit / 16 : limit);
	if (m.value != w->full && message_send(w->control, &m, -1) == 0)
		w->full = m.value;
	if (!w->full)
		w->room = 0;
}

void report_peer_failed(struct worker *w, unsigned slot, int err)
{
	struct message m = { .type = MSG_PEER_FAILED, .slot = slot, .value = err };

	w->stats->peer_failed++;
	message_send(w->control, &m, -1);
}

void report_peer_refused(struct worker *w, unsigned slot, uint8_t error, uint8_t refusal)
{
	struct message m = { .type = MSG_PEER_REFUSED, .slot = slot, .value = error | refusal << REFUSAL_SHIFT };

	message_send(w->control, &m, -1);
}

void report_peer_slow(struct worker *w, unsigned slot)
{
	const struct message m = { .type = MSG_PEER_SLOW, .slot = slot };

	message_send(w->control, &m, -1);
}

void report_parked(struct worker *w, unsigned slot)
{
	const struct message m = { .type = MSG_PARKED, .slot = slot };

	message_send(w->control, &m, -1);
}

int report_proved(struct worker *w, const struct mpgate_addr *source)
{
	const struct message m = { .type = MSG_PROVED, .source = *source };

	return message_send(w->control, &m, -1);
}

bool report_join(struct worker *w, const struct message *m)
{
	return message_send(w->control, m, -1) == 0;
}

bool report_copy(struct worker *w, const struct message *m, int fd)
{
	return message_send(w->control, m, fd) == 0;
}

void report_server(struct worker *w, const struct conn *c, bool breaks)
{
	const struct message m = { .type = breaks ? MSG_BREAKS : MSG_SPEAKS,
				   .value = ntohs(c->request.tuple.dport),
				   .source = c->request.tuple.daddr };

	message_send(w->control, &m, -1);
}

void report_note(struct worker *w, const struct conn *c, const char *fmt, ...)
{
	const struct snapshot_peer *p = conn_peer(w, c->request.slot);
	char text[256], src[ADDR_TEXT], dst[ADDR_TEXT] = "";
	struct log_field fields[4] = { { LOG_CLIENT, src } };
	unsigned known = 1;
	uint32_t second = (uint32_t)(w->now / 1000);
	va_list ap;

	if (second != w->note_second) {
		if (w->notes > NOTES_PER_SECOND)
			log_info("%u messages about connections left out", w->notes - NOTES_PER_SECOND);
		w->note_second = second;
		w->notes = 0;
	}
	if (w->notes++ >= NOTES_PER_SECOND)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	addr_print_port(&c->request.tuple.saddr, c->request.tuple.sport, src);
	if (p)
		fields[known++] = (struct log_field){ LOG_PEER, p->name };
	if (c->request.tuple.dport) /* else it has asked for no server */
		fields[known++] = (struct log_field){ LOG_SERVER, addr_print_port(&c->request.tuple.daddr,
										  c->request.tuple.dport, dst) };
	log_with(LOG_LEVEL_INFO, fields, "%s%s%s: %s", src, *dst ? " -> " : "", dst, text);
}
