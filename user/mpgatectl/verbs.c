/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs, and how their answers look. Keys are those of io.mpgate.varlink. */
#include <mpgatectl/args.h>
#include <mpgatectl/explain.h>
#include <mpgatectl/flows.h>
#include <mpgatectl/local.h>
#include <mpgatectl/show.h>

/* clang-format off */
#define PLAIN(title, key) { title, key, SHOW_PLAIN, false }
#define BYTES(title, key) { title, key, SHOW_BYTES, false }
#define AGE(title, key) { title, key, SHOW_AGE, false }
#define TIME(title, key) { title, key, SHOW_TIME, false }
#define RATE(title, key) { title, key, SHOW_RATE, false }
#define US(title, key) { title, key, SHOW_US, false }
#define MS(title, key) { title, key, SHOW_MS, false }
#define UNIT(title, key) { title, key, SHOW_UNIT, false }
/* Left out first where there is no room. */
#define SPARE(as, title, key) { title, key, SHOW_##as, true }
#define FIELDS(...) (const struct field[]){ __VA_ARGS__, { NULL, NULL, SHOW_PLAIN, false } }
/* Sections. */
#define LINES(...) { NULL, NULL, FIELDS(__VA_ARGS__), NULL, false, false }
#define TEXT(key) { NULL, key, NULL, NULL, false, false }
#define TABLE(array, ...) { NULL, array, FIELDS(__VA_ARGS__), NULL, false, false }
#define TABLE_UNDER(heading, array, ...) { heading, array, FIELDS(__VA_ARGS__), NULL, false, false }
#define TABLE_IF_ANY(heading, array, ...) { heading, array, FIELDS(__VA_ARGS__), NULL, true, false }
#define RECORDS(array, ...) { NULL, array, FIELDS(__VA_ARGS__), NULL, true, true }
#define COMMENTS(array, ...) { NULL, array, FIELDS(__VA_ARGS__), "# ", false, false }
#define VIEW(note, ...) { (const struct section[]){ __VA_ARGS__, { NULL, NULL, NULL, NULL, false, false } }, note }
/* clang-format on */

static const struct view status_view =
	VIEW(NULL,
	     LINES(PLAIN("instance", "instance"), PLAIN("version", "version"), PLAIN("pid", "pid"),
		   AGE("up for", "uptime_s"), PLAIN("configuration", "config"), PLAIN("own connections", "host"),
		   PLAIN("policy", "policy.generation"), PLAIN("  rules", "policy.rules"),
		   PLAIN("  prefixes", "policy.prefixes"), TIME("  loaded", "policy.loaded_at"),
		   PLAIN("peers up", "peers.up"), PLAIN("peers down", "peers.down"),
		   PLAIN("peers unknown", "peers.unknown"), PLAIN("peers passive", "peers.passive"),
		   PLAIN("takes Convert", "convert.listening"), PLAIN("  port", "convert.port"),
		   PLAIN("  other ports", "convert.ports"), PLAIN("  waits for", "convert.waiting"),
		   PLAIN("  accept", "convert.accept"), PLAIN("  draining", "convert.draining")),
	     TABLE("workers", PLAIN("WORKER", "index"), PLAIN("PID", "pid"), PLAIN("CONNECTIONS", "connections"),
		   PLAIN("ACCEPTED", "accepted"), PLAIN("RESTARTS", "restarts"), PLAIN("KILLED", "killed")),
	     TABLE("links", PLAIN("LINK", "name"), PLAIN("ROLE", "role"), PLAIN("PATH", "path"),
		   SPARE(PLAIN, "INDEX", "ifindex"), PLAIN("UP", "up"), SPARE(PLAIN, "STEER", "steer"),
		   SPARE(PLAIN, "GUARD", "guard"), SPARE(PLAIN, "GATE", "gate"), PLAIN("ADDRESSES", "addresses"),
		   PLAIN("NOTE", "note")),
	     TABLE("features", PLAIN("FEATURE", "name"), PLAIN("WORKS", "works"), PLAIN("WHY", "why"),
		   PLAIN("INSTEAD", "degraded")),
	     TABLE_IF_ANY("What is wrong (mpgatectl doctor says what to do)", "findings", PLAIN("SEVERITY", "severity"),
			  PLAIN("ABOUT", "subject"), PLAIN("WHAT", "text")));

static const struct view doctor_view =
	VIEW("there are more findings than are shown",
	     RECORDS("findings", PLAIN("severity", "severity"), PLAIN("about", "subject"), PLAIN("what", "text"),
		     PLAIN("do", "remedy")),
	     LINES(PLAIN("in all", "text")));

static const struct view flows_view =
	VIEW("there are more flows than are shown",
	     TABLE("flows", PLAIN("CLIENT", "client"), PLAIN("SERVER", "server"), PLAIN("PEER", "peer"),
		   PLAIN("RULE", "rule"), PLAIN("PATHS", "paths"), AGE("AGE", "age_s"), BYTES("UP", "bytes_up"),
		   BYTES("DOWN", "bytes_down"), SPARE(PLAIN, "STATE", "state"), SPARE(PLAIN, "SUBFLOWS", "subflows"),
		   SPARE(PLAIN, "MAPPED", "mapped"), SPARE(PLAIN, "ROLE", "role"), SPARE(PLAIN, "MPTCP", "mptcp"),
		   SPARE(PLAIN, "WORKER", "worker")),
	     LINES(PLAIN("idle (--all shows them)", "idle")));

static const struct view paths_view = VIEW(
	NULL,
	TABLE("paths", PLAIN("PATH", "name"), PLAIN("LINK", "link"), PLAIN("USE", "use"), PLAIN("UP", "up"),
	      PLAIN("IPV4", "address4"), PLAIN("HEALTH", "health4"), SPARE(PLAIN, "ENDPOINT", "endpoint4"),
	      PLAIN("IPV6", "address6"), PLAIN("HEALTH", "health6"), SPARE(PLAIN, "ENDPOINT", "endpoint6"),
	      PLAIN("WHY NOT", "why")),
	TABLE("paths", PLAIN("PATH", "name"), PLAIN("LINK", "link"), PLAIN("GATEWAY IPV4", "gateway4"),
	      PLAIN("ROUTE", "gateway4_from"), PLAIN("GATEWAY IPV6", "gateway6"), PLAIN("ROUTE", "gateway6_from")),
	TABLE("paths", PLAIN("PATH", "name"), PLAIN("NOW", "rank"), PLAIN("SUBFLOWS", "subflows"),
	      SPARE(PLAIN, "BACKUPS", "backups"), US("RTT", "rtt_us"), SPARE(US, "LEAST", "min_rtt_us"),
	      RATE("OUT", "sent_rate"), RATE("IN", "received_rate"), SPARE(PLAIN, "SEGMENTS", "segments"),
	      PLAIN("SENT AGAIN", "retransmitted"), PLAIN("WHY", "rank_why")),
	TABLE("paths", PLAIN("PATH", "name"), BYTES("SENT", "sent"), BYTES("RECEIVED", "received"),
	      BYTES("LINK SENT", "tx_bytes"), BYTES("LINK RECEIVED", "rx_bytes")),
	TABLE("usage", PLAIN("BY", "by"), PLAIN("NAME", "name"), BYTES("UP TODAY", "up"), BYTES("DOWN TODAY", "down"),
	      BYTES("OF QUOTA", "quota_used"), BYTES("QUOTA", "quota"), PLAIN("ANEW", "quota_again")),
	TABLE("others", PLAIN("ANOTHER PROGRAM", "program"), PLAIN("PID", "pid"), PLAIN("CONFLICT", "conflict"),
	      PLAIN("WHAT", "what")));

static const struct view subflows_view =
	VIEW("there are more subflows than are shown",
	     TABLE("subflows", PLAIN("PATH", "path"), PLAIN("LOCAL", "local"), PLAIN("REMOTE", "remote"),
		   SPARE(PLAIN, "TOKEN", "token"), PLAIN("STATE", "state"), US("RTT", "rtt_us"),
		   SPARE(US, "LEAST", "min_rtt_us"), BYTES("RECEIVED", "received"), BYTES("SENT", "sent"),
		   SPARE(PLAIN, "SEGMENTS", "segments"), SPARE(PLAIN, "SENT AGAIN", "retransmitted")));

static const struct view history_view =
	VIEW(NULL, TABLE("failures", TIME("SINCE", "began"), AGE("FOR", "seconds"), PLAIN("STILL", "lasts"),
			 PLAIN("WHAT", "about"), PLAIN("NAME", "name"), SPARE(PLAIN, "LINK", "link"),
			 PLAIN("STATE", "state"), PLAIN("TO", "to"), PLAIN("WHY", "why")));

static const struct view peers_view =
	VIEW(NULL,
	     TABLE("peers", PLAIN("PEER", "name"), PLAIN("STATE", "state"), PLAIN("OVER", "transport"),
		   PLAIN("CONNECTIONS", "connections"), SPARE(PLAIN, "PARKED", "parked"), SPARE(PLAIN, "PORT", "port"),
		   SPARE(PLAIN, "SYN DATA", "syn_data"), SPARE(PLAIN, "FALLBACKS", "fallbacks"), PLAIN("KEY", "key_id"),
		   AGE("RETRY", "next_try_s"), PLAIN("ADDRESSES", "addresses"), SPARE(PLAIN, "FROM", "from"),
		   SPARE(AGE, "ASKED IN", "asked_in_s"), PLAIN("LOOKUP ERROR", "lookup_error"),
		   AGE("SINCE", "last_error_age_s"), PLAIN("LAST ERROR", "last_error")),
	     TABLE("ways", PLAIN("PEER", "peer"), PLAIN("ADDRESS", "address"), SPARE(PLAIN, "PORT", "port"),
		   PLAIN("PATH", "path"), PLAIN("STATE", "state"), PLAIN("OVER", "transport"),
		   SPARE(PLAIN, "SYN DATA", "syn_data"), PLAIN("FIRST", "first"), US("RTT", "rtt_us"),
		   SPARE(MS, "FORGETS", "forgets_ms"), PLAIN("LAST ERROR", "last_error")),
	     TABLE_IF_ANY("Those that dial us", "gateways", PLAIN("PEER", "name"), AGE("SEEN", "seen_s"),
			  PLAIN("FROM", "address"), PLAIN("CONNECTIONS", "connections"), BYTES("UP", "bytes_up"),
			  BYTES("DOWN", "bytes_down"), AGE("REFUSED", "refused_s"), PLAIN("WHY", "refused")),
	     TABLE_IF_ANY("With a key that is none of ours", "strangers", PLAIN("REQUESTS", "requests"),
			  AGE("LAST", "last_s"), PLAIN("FROM", "address")));

/* Can be loaded again as it is: the counts are comments. */
static const struct view policy_show_view = VIEW(NULL, TEXT("text"),
						 COMMENTS("rules", PLAIN("RULE", "name"), PLAIN("HITS", "hits"),
							  PLAIN("ACTION", "action"), PLAIN("VIA", "via")));

static const struct view explain_view =
	VIEW(NULL, LINES(PLAIN("link", "link"), PLAIN("reason", "reason"), PLAIN("meaning", "reason_text"),
			 PLAIN("rule", "rule"), PLAIN("peer", "peer"), PLAIN("but", "note")));

static const struct view check_view =
	VIEW(NULL, LINES(PLAIN("file", "file"), PLAIN("ok", "ok"), PLAIN("instance", "instance"),
			 PLAIN("links", "links"), PLAIN("peers", "peers"), PLAIN("rules", "rules")));

static const struct view reload_view = VIEW(NULL, LINES(PLAIN("policy in force", "generation"), PLAIN("rules", "rules"),
							PLAIN("prefixes", "prefixes"), PLAIN("peers", "peers")));

static const struct view drain_view =
	VIEW(NULL, LINES(PLAIN("draining", "draining"), PLAIN("connections carried", "connections")));

static const struct view key_view = VIEW(NULL, LINES(PLAIN("file", "file"), PLAIN("id", "id")));

static const struct view setup_view = VIEW(NULL, LINES(PLAIN("file", "file"), PLAIN("bytes", "bytes")));

static const struct view stats_view =
	VIEW(NULL,
	     TABLE_UNDER("Packets, by verdict", "reasons", PLAIN("REASON", "name"), UNIT("COUNT", "value"),
			 PLAIN("MEANING", "text")),
	     TABLE_UNDER("Relay", "relay", PLAIN("COUNTER", "name"), UNIT("COUNT", "value"), PLAIN("MEANING", "text")));

/* Counters of what never happened are of no use to the reader, unless asked for. */
static void drop_zeros(const struct args *args, json_t *value)
{
	static const char *const lists[] = { "reasons", "relay" };

	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]) && !args->json && !args->option[ARGS_ALL]; k++) {
		json_t *list = json_object_get(value, lists[k]);

		for (size_t i = json_array_size(list); i-- > 0;)
			if (!json_integer_value(json_object_get(json_array_get(list, i), "value")))
				json_array_remove(list, i);
	}
}

#define EXPLAIN_OPTIONS (ARGS_BIT(ARGS_LINK) | ARGS_BIT(ARGS_DSCP) | ARGS_BIT(ARGS_MPTCP))
#define FLOWS_OPTIONS                                                                                                  \
	(ARGS_BIT(ARGS_SORT) | ARGS_BIT(ARGS_CLIENT) | ARGS_BIT(ARGS_SERVER) | ARGS_BIT(ARGS_PEER) |                   \
	 ARGS_BIT(ARGS_RULE) | ARGS_BIT(ARGS_PATH) | ARGS_BIT(ARGS_ALL))

const struct verb verbs[] = {
	{ .noun = "status", .help = "what runs, on which links, and how", .method = "Status", .view = &status_view },
	{ .noun = "doctor",
	  .help = "what is wrong, why, what to do; exit 1 if anything",
	  .method = "Doctor",
	  .view = &doctor_view,
	  .fails = "wrong" },
	{ .noun = "top", .is_live = true, .help = "live: rates of paths, peers, rules, busiest flows" },
	{ .noun = "flows",
	  .verb = "list",
	  .options = FLOWS_OPTIONS,
	  .help = "relayed connections",
	  .method = "Flows",
	  .ask = flows_ask,
	  .shape = flows_shape,
	  .chosen = "flows",
	  .view = &flows_view },
	{ .noun = "paths", .verb = "list", .help = "access links", .method = "Paths", .view = &paths_view },
	{ .noun = "paths",
	  .verb = "subflows",
	  .help = "subflows of a gateway's connections",
	  .method = "Subflows",
	  .view = &subflows_view },
	{ .noun = "history",
	  .help = "what failed, from when on and for how long",
	  .method = "History",
	  .view = &history_view },
	{ .noun = "peers", .verb = "list", .help = "gateways and hubs", .method = "Peers", .view = &peers_view },
	{ .noun = "policy",
	  .verb = "show",
	  .help = "the running configuration, and hits of each rule",
	  .method = "PolicyShow",
	  .view = &policy_show_view },
	{ .noun = "policy",
	  .verb = "check",
	  .operands = { "FILE" },
	  .help = "whether a configuration is right",
	  .run = local_policy_check,
	  .view = &check_view },
	{ .noun = "policy",
	  .verb = "explain",
	  .operands = { "SRC[:PORT]", "DST:PORT" },
	  .options = EXPLAIN_OPTIONS,
	  .help = "what becomes of a SYN, and why",
	  .method = "PolicyExplain",
	  .ask = explain_ask,
	  .view = &explain_view },
	{ .noun = "reload", .help = "read the configuration again", .method = "Reload", .view = &reload_view },
	{ .noun = "drain",
	  .verb = "start",
	  .help = "new requests are told to go to another hub",
	  .method = "DrainStart",
	  .view = &drain_view },
	{ .noun = "drain",
	  .verb = "stop",
	  .help = "new requests are taken again",
	  .method = "DrainStop",
	  .view = &drain_view },
	{ .noun = "run",
	  .help = "a command whose connections go by the rules",
	  .takes_command = true,
	  .method = "Run" },
	{ .noun = "key",
	  .verb = "new",
	  .operands = { "FILE" },
	  .help = "make a key; a file that exists is not touched",
	  .run = local_key_new,
	  .view = &key_view },
	{ .noun = "key",
	  .verb = "show-id",
	  .operands = { "FILE" },
	  .help = "the public name of a key",
	  .run = local_key_show_id,
	  .view = &key_view },
	{ .noun = "setup",
	  .verb = "dhcp4",
	  .operands = { "HEX" },
	  .help = "keep option 125 of a lease, for from: dhcp",
	  .run = local_setup_dhcp4,
	  .view = &setup_view },
	{ .noun = "setup",
	  .verb = "dhcp6",
	  .operands = { "HEX" },
	  .help = "keep option 17 of DHCPv6, for the same",
	  .run = local_setup_dhcp6,
	  .view = &setup_view },
	{ .noun = "stats",
	  .options = ARGS_BIT(ARGS_ALL),
	  .help = "what was counted: those that are not 0",
	  .method = "Stats",
	  .shape = drop_zeros,
	  .view = &stats_view },
	{ 0 },
};
