/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator is told of the running daemon: the control socket's methods (io.mpgate.varlink) and the text of
 * /metrics. answers.c: state; flows.c, flow_paths.c: flows; peers.c: peers; policy.c: the policy; counters.c: counters;
 * quality.c: paths and subflows; findings.h: what is wrong; history.h: what was; page.c: all of it, for the status
 * page. Below: what these files share.
 */
#ifndef MPGATED_ANSWERS_H
#define MPGATED_ANSWERS_H

#include <mpgated/supervisor/supervisor.h>

extern const struct supervisor_answers answers;

/* io.mpgate.Failed with a text for the operator. Returns NULL. */
json_t *method_fail(const char **error, char **why, const char *text);
/* A field of an object; an empty text leaves it out. */
void json_set_text(json_t *o, const char *name, const char *text);
void json_set_int(json_t *o, const char *name, uint64_t value);

const char *reason_name(enum mpgate_reason r);
const char *reason_text(enum mpgate_reason r);

const char *health_name(enum health_state state);

json_t *method_peers(void *arg, const json_t *parameters, const char **error, char **why);
json_t *method_policy_show(void *arg, const json_t *parameters, const char **error, char **why);
json_t *method_policy_explain(void *arg, const json_t *parameters, const char **error, char **why);
json_t *method_subflows(void *arg, const json_t *parameters, const char **error, char **why);
/* Adds by that name the silence after which a NAT on the path forgets connections of that family, where it is known. */
void path_forgets(const struct supervisor *s, unsigned link, unsigned f, const char *name, json_t *o);
int method_flows(void *arg, const json_t *parameters, struct control_call *call);
/*
 * The answer of Flows, from inside of what was given to flows_ask() with that order: at most so many. with_idle: also
 * connections that have asked for nothing yet; path: with a subflow over it, NULL: any.
 */
json_t *flows_told(const struct supervisor *s, enum flows_order order, bool with_idle, const char *path, unsigned most);
/* Is a flow over a path of that label? */
bool flow_is_over(const struct supervisor *s, const struct flow_record *r, const char *label);
/* An array of the labels of the paths that a flow is over. */
json_t *flow_paths(const struct supervisor *s, const struct flow_record *r);
void path_quality(const struct supervisor *s, unsigned link, json_t *o); /* fields of a path */
void metrics_paths(const struct supervisor *s, struct metrics_text *t);
char *answers_metrics(void *supervisor, bool openmetrics, size_t *len);
/* A text of the status page, as JSON: see http.h. */
void answers_page(void *supervisor, enum http_text which, http_done done, void *arg);
json_t *answers_usage(const struct supervisor *s); /* an array of what paths and rules were used for */
void answers_usage_metrics(const struct supervisor *s, struct metrics_text *t);
/* history_look.c: to be called once a second, and what came of it. */
void history_look(void *supervisor);
json_t *method_history(void *arg, const json_t *parameters, const char **error, char **why);
json_t *method_stats(void *arg, const json_t *parameters, const char **error, char **why);

#endif
