/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs, and how their answers look. Keys are those of io.mpgate.varlink. */
#include <mpgatectl/args.h>
#include <mpgatectl/local.h>
#include <mpgatectl/show.h>

/* clang-format off */
#define PLAIN(title, key) { title, key, SHOW_PLAIN }
#define BYTES(title, key) { title, key, SHOW_BYTES }
#define AGE(title, key) { title, key, SHOW_AGE }
#define TIME(title, key) { title, key, SHOW_TIME }
#define FIELDS(...) (const struct field[]){ __VA_ARGS__, { NULL, NULL, SHOW_PLAIN } }
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

static const struct view status_view = VIEW(
	NULL,
	LINES(PLAIN("instance", "instance"), PLAIN("version", "version"), PLAIN("pid", "pid"),
	      AGE("up for", "uptime_s"), PLAIN("configuration", "config"), PLAIN("own connections", "host"),
	      PLAIN("policy", "policy.generation"), PLAIN("  rules", "policy.rules"),
	      PLAIN("  prefixes", "policy.prefixes"), TIME("  loaded", "policy.loaded_at"),
	      PLAIN("peers up", "peers.up"), PLAIN("peers down", "peers.down"), PLAIN("peers unknown", "peers.unknown"),
	      PLAIN("peers passive", "peers.passive"), PLAIN("takes Convert", "convert.listening"),
	      PLAIN("  port", "convert.port"), PLAIN("  other ports", "convert.ports"),
	      PLAIN("  accept", "convert.accept"), PLAIN("  draining", "convert.draining")),
	TABLE("workers", PLAIN("WORKER", "index"), PLAIN("PID", "pid"), PLAIN("CONNECTIONS", "connections"),
	      PLAIN("ACCEPTED", "accepted"), PLAIN("RESTARTS", "restarts"), PLAIN("KILLED", "killed")),
	TABLE("links", PLAIN("LINK", "name"), PLAIN("ROLE", "role"), PLAIN("PATH", "path"), PLAIN("INDEX", "ifindex"),
	      PLAIN("UP", "up"), PLAIN("STEER", "steer"), PLAIN("GUARD", "guard"), PLAIN("GATE", "gate"),
	      PLAIN("ADDRESSES", "addresses"), PLAIN("NOTE", "note")),
	TABLE("features", PLAIN("FEATURE", "name"), PLAIN("WORKS", "works"), PLAIN("INSTEAD", "degraded"),
	      PLAIN("WHY", "why")),
	TABLE_IF_ANY("What is wrong (mpgatectl doctor says what to do)", "findings", PLAIN("SEVERITY", "severity"),
		     PLAIN("ABOUT", "subject"), PLAIN("WHAT", "text")));

static const struct view doctor_view =
	VIEW("there are more findings than are shown",
	     RECORDS("findings", PLAIN("severity", "severity"), PLAIN("about", "subject"), PLAIN("what", "text"),
		     PLAIN("do", "remedy")),
	     LINES(PLAIN("in all", "text")));

static const struct view flows_view =
	VIEW("there are more flows than are shown",
	     TABLE("flows", PLAIN("CLIENT", "client"), PLAIN("SERVER", "server"), PLAIN("ROLE", "role"),
		   PLAIN("PEER", "peer"), PLAIN("RULE", "rule"), PLAIN("WORKER", "worker"), AGE("AGE", "age_s"),
		   BYTES("UP", "bytes_up"), BYTES("DOWN", "bytes_down"), PLAIN("MPTCP", "mptcp"),
		   PLAIN("SUBFLOWS", "subflows"), PLAIN("STATE", "state"), PLAIN("MAPPED", "mapped")),
	     LINES(PLAIN("idle (--all shows them)", "idle")));

static const struct view paths_view = VIEW(
	NULL,
	TABLE("paths", PLAIN("PATH", "name"), PLAIN("LINK", "link"), PLAIN("USE", "use"), PLAIN("UP", "up"),
	      PLAIN("IPV4", "address4"), PLAIN("HEALTH", "health4"), PLAIN("ENDPOINT", "endpoint4"),
	      PLAIN("IPV6", "address6"), PLAIN("HEALTH", "health6"), PLAIN("ENDPOINT", "endpoint6"),
	      BYTES("RECEIVED", "rx_bytes"), BYTES("SENT", "tx_bytes"), PLAIN("GATEWAY", "gateway4"),
	      PLAIN("GATEWAY", "gateway6"), PLAIN("WHY NOT", "why")),
	TABLE("paths", PLAIN("PATH", "name"), PLAIN("NOW", "rank"), PLAIN("SUBFLOWS", "subflows"),
	      PLAIN("BACKUPS", "backups"), PLAIN("RTT us", "rtt_us"), PLAIN("LEAST us", "min_rtt_us"),
	      PLAIN("BIT/S OUT", "sent_rate"), PLAIN("IN", "received_rate"), BYTES("RECEIVED", "received"),
	      BYTES("SENT", "sent"), PLAIN("SEGMENTS", "segments"), PLAIN("SENT AGAIN", "retransmitted"),
	      PLAIN("WHY", "rank_why")),
	TABLE("usage", PLAIN("BY", "by"), PLAIN("NAME", "name"), BYTES("UP TODAY", "up"), BYTES("DOWN TODAY", "down"),
	      BYTES("OF QUOTA", "quota_used"), BYTES("QUOTA", "quota"), PLAIN("ANEW", "quota_again")),
	TABLE("others", PLAIN("ANOTHER PROGRAM", "program"), PLAIN("PID", "pid"), PLAIN("CONFLICT", "conflict"),
	      PLAIN("WHAT", "what")));

static const struct view subflows_view =
	VIEW("there are more subflows than are shown",
	     TABLE("subflows", PLAIN("PATH", "path"), PLAIN("LOCAL", "local"), PLAIN("REMOTE", "remote"),
		   PLAIN("TOKEN", "token"), PLAIN("STATE", "state"), PLAIN("RTT us", "rtt_us"),
		   PLAIN("LEAST us", "min_rtt_us"), BYTES("RECEIVED", "received"), BYTES("SENT", "sent"),
		   PLAIN("SEGMENTS", "segments"), PLAIN("SENT AGAIN", "retransmitted")));

static const struct view peers_view =
	VIEW(NULL,
	     TABLE("peers", PLAIN("PEER", "name"), PLAIN("STATE", "state"), PLAIN("OVER", "transport"),
		   PLAIN("CONNECTIONS", "connections"), PLAIN("PARKED", "parked"), PLAIN("PORT", "port"),
		   PLAIN("SYN DATA", "syn_data"), PLAIN("FALLBACKS", "fallbacks"), PLAIN("KEY", "key_id"),
		   AGE("RETRY", "next_try_s"), PLAIN("ADDRESSES", "addresses"), PLAIN("FROM", "from"),
		   AGE("ASKED IN", "asked_in_s"), PLAIN("LOOKUP ERROR", "lookup_error"),
		   AGE("SINCE", "last_error_age_s"), PLAIN("LAST ERROR", "last_error")),
	     TABLE("ways", PLAIN("PEER", "peer"), PLAIN("ADDRESS", "address"), PLAIN("PORT", "port"),
		   PLAIN("PATH", "path"), PLAIN("STATE", "state"), PLAIN("OVER", "transport"),
		   PLAIN("SYN DATA", "syn_data"), PLAIN("FIRST", "first"), PLAIN("RTT us", "rtt_us"),
		   PLAIN("FORGETS ms", "forgets_ms"), PLAIN("LAST ERROR", "last_error")),
	     TABLE_IF_ANY("Those that dial us", "gateways", PLAIN("PEER", "name"), AGE("SEEN", "seen_s"),
			  PLAIN("FROM", "address"), PLAIN("CONNECTIONS", "connections"), BYTES("UP", "bytes_up"),
			  BYTES("DOWN", "bytes_down"), AGE("REFUSED", "refused_s"), PLAIN("WHY", "refused")));

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

static const struct view text_view = VIEW(NULL, LINES(PLAIN("done", "text")));

static const struct view key_view = VIEW(NULL, LINES(PLAIN("file", "file"), PLAIN("id", "id")));

static const struct view setup_view = VIEW(NULL, LINES(PLAIN("file", "file"), PLAIN("bytes", "bytes")));

static const struct view stats_view = VIEW(
	NULL,
	TABLE_UNDER("Packets, by verdict", "reasons", PLAIN("REASON", "name"), PLAIN("COUNT", "value"),
		    PLAIN("MEANING", "text")),
	TABLE_UNDER("Relay", "relay", PLAIN("COUNTER", "name"), PLAIN("COUNT", "value"), PLAIN("MEANING", "text")));

const struct verb verbs[] = {
	{ .noun = "status", .help = "what runs, on which links, and how", .method = "Status", .view = &status_view },
	{ .noun = "doctor",
	  .help = "what is wrong, why, and what to do; exit 1 if anything is",
	  .method = "Doctor",
	  .view = &doctor_view,
	  .fails = "wrong" },
	{ .noun = "flows",
	  .verb = "list",
	  .takes_all = true,
	  .help = "relayed connections",
	  .method = "Flows",
	  .view = &flows_view },
	{ .noun = "paths", .verb = "list", .help = "access links", .method = "Paths", .view = &paths_view },
	{ .noun = "paths",
	  .verb = "subflows",
	  .help = "subflows of a gateway's connections",
	  .method = "Subflows",
	  .view = &subflows_view },
	{ .noun = "peers", .verb = "list", .help = "gateways and hubs", .method = "Peers", .view = &peers_view },
	{ .noun = "policy",
	  .verb = "show",
	  .help = "the running configuration, and how often each rule decided",
	  .method = "PolicyShow",
	  .view = &policy_show_view },
	{ .noun = "policy",
	  .verb = "check",
	  .operands = { "FILE" },
	  .help = "whether a configuration is right; asks no daemon",
	  .run = local_policy_check,
	  .view = &check_view },
	{ .noun = "policy",
	  .verb = "explain",
	  .operands = { "SRC[:PORT]", "DST:PORT" },
	  .asks_path = true,
	  .help = "what becomes of a SYN, and why",
	  .method = "PolicyExplain",
	  .view = &explain_view },
	{ .noun = "reload", .help = "read the configuration again", .method = "Reload", .view = &text_view },
	{ .noun = "drain",
	  .verb = "start",
	  .help = "new requests are told to go to another hub; what is carried goes on",
	  .method = "DrainStart",
	  .view = &text_view },
	{ .noun = "drain",
	  .verb = "stop",
	  .help = "new requests are taken again",
	  .method = "DrainStop",
	  .view = &text_view },
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
	  .help = "keep option 125 of a lease, for peers with from: dhcp",
	  .run = local_setup_dhcp4,
	  .view = &setup_view },
	{ .noun = "setup",
	  .verb = "dhcp6",
	  .operands = { "HEX" },
	  .help = "keep option 17 of DHCPv6, for the same",
	  .run = local_setup_dhcp6,
	  .view = &setup_view },
	{ .noun = "stats",
	  .help = "counters of the BPF programs and the relay",
	  .method = "Stats",
	  .view = &stats_view },
	{ 0 },
};
