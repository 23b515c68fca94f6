/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong, why, and what to do: one list for `mpgatectl doctor`, `status`, /metrics and the log. It is made from
 * what the supervisor knows anyway, each time that somebody asks (doctor.c).
 */
#ifndef MPGATED_FINDINGS_H
#define MPGATED_FINDINGS_H

#include <mpgated/answers/answers.h>

/* A note is good to know, and nothing is wrong. */
enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE, SEVERITIES };

/*
 * X(ID, name): names are stable, for metrics and scripts. Each has a row in docs/operations.md, and a scenario that
 * makes the mistake and reads what is said of it (tests/net/doctor.t looks for both).
 */
#define FINDINGS(X)                                                                                                    \
	X(NO_PATH, "no-path")                                                                                          \
	X(ONE_PATH, "one-path")                                                                                        \
	X(LINK_ABSENT, "link-absent")                                                                                  \
	X(LINK_DOWN, "link-down")                                                                                      \
	X(LINK_UNFIT, "link-unfit")                                                                                    \
	X(LINK_CAUTION, "link-caution")                                                                                \
	X(FOREIGN_XDP, "foreign-xdp")                                                                                  \
	X(NOT_SERVED, "not-served")                                                                                    \
	X(NO_ADDRESS, "no-address")                                                                                    \
	X(ADDRESS_NOT_READY, "address-not-ready")                                                                      \
	X(SAME_ADDRESS, "same-address")                                                                                \
	X(NO_GATEWAY, "no-gateway")                                                                                    \
	X(NO_ROUTE, "no-route")                                                                                        \
	X(FOREIGN_RULE, "foreign-rule")                                                                                \
	X(HELD_BACK, "held-back")                                                                                      \
	X(PATH_PLAIN, "path-plain")                                                                                    \
	X(PATH_DEAD, "path-dead")                                                                                      \
	X(NO_ANSWER, "no-answer")                                                                                      \
	X(PEER_DOWN, "peer-down")                                                                                      \
	X(PEER_NO_ADDRESS, "peer-no-address")                                                                          \
	X(PEER_LEFT_OUT, "peer-left-out")                                                                              \
	X(PEER_SILENT, "peer-silent")                                                                                  \
	X(PEER_PLAIN, "peer-plain")                                                                                    \
	X(CLOCK, "clock")                                                                                              \
	X(PEER_ERROR, "peer-error")                                                                                    \
	X(GATEWAY_REFUSED, "gateway-refused")                                                                          \
	X(UNKNOWN_KEY, "unknown-key")                                                                                  \
	X(GATEWAY_UNSEEN, "gateway-unseen")                                                                            \
	X(PUBLISH, "publish")                                                                                          \
	X(NOT_LISTENING, "not-listening")                                                                              \
	X(DELIVERY, "delivery")                                                                                        \
	X(NO_FORWARDING, "no-forwarding")                                                                              \
	X(RP_FILTER, "rp-filter")                                                                                      \
	X(MPTCP_OFF, "mptcp-off")                                                                                      \
	X(BLACKHOLE, "blackhole")                                                                                      \
	X(CONNTRACK_ZONES, "conntrack-zones")                                                                          \
	X(NO_BPFFS, "no-bpffs")                                                                                        \
	X(OTHER_PROGRAM, "other-program")                                                                              \
	X(WORKER, "worker")                                                                                            \
	X(WORKER_RESTARTS, "worker-restarts")                                                                          \
	X(HOST_MODE, "host-mode")                                                                                      \
	X(FEATURE, "feature")                                                                                          \
	X(NO_FAMILY, "no-family")                                                                                      \
	X(DRAINING, "draining")

enum finding_id {
#define X(id, name) FINDING_##id,
	FINDINGS(X)
#undef X
};

#define FINDING_SUBJECT 80
#define FINDING_TEXT 320

struct finding {
	enum severity severity;
	const char *name; /* of FINDINGS */
	bool told; /* the log says it elsewhere, when it happens */
	char subject[FINDING_SUBJECT]; /* what it is about, alone on its line: "path b (wan1)" */
	char text[FINDING_TEXT]; /* what is wrong, and why */
	char remedy[FINDING_TEXT]; /* what to do */
};

#define FINDINGS_MOST 128U

struct findings {
	unsigned count, left_out; /* the latter found no room */
	struct finding list[FINDINGS_MOST];
	struct finding rest; /* where they go */
};

/* Appends one, to be filled in by the two below. */
struct finding *finding_add(struct findings *all, enum severity severity, enum finding_id id, const char *subject, ...)
	__attribute__((format(printf, 4, 5)));
void finding_text(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_remedy(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* findings_links.c, findings_machine.c, findings_peers.c: append what they know. */
void findings_links(const struct supervisor *s, struct findings *all);
void findings_machine(const struct supervisor *s, struct findings *all);
void findings_peers(const struct supervisor *s, struct findings *all);

/* doctor.c */
/* All of them, the worst first; good until the next call. */
const struct findings *findings_find(const struct supervisor *s);
/* Those that are wrong, as an array for an answer; notes: these as well. */
json_t *findings_list(const struct findings *all, bool notes);
/* To be called now and then: the log says what came and went since, unless it has been told elsewhere. */
void findings_look(void *supervisor);
void findings_metrics(const struct supervisor *s, struct metrics_text *t);
json_t *method_doctor(void *arg, const json_t *parameters, const char **error, char **why);

#endif
