/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file (YAML), read with libcyaml into these structures.
 * config_load() does all checks that need no kernel; nothing that passes it
 * is refused later for its form. docs/mpgate.conf.5 describes every key.
 */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <lib/addr.h>

#define CFG_MAX_PREFIXES (1U << 20) /* of one prefix set; the size of the lookup tables */

#define CFG_LINK_ANY                                                                                                   \
	(-1) /* of a rule: any lan link, and this machine itself; published, terminate: any link at all                \
	      */
#define CFG_LINK_HOST (-2) /* this machine itself */
#define CFG_HOST "host" /* the same in the file */
#define CFG_PEER_ADDRESSES 4 /* tried one after the other */
#define CFG_PEER_ENDS 8 /* the same, at each of its ports */
#define CFG_PORTS 4 /* of Convert: the own one, and others */
#define CFG_POOL_PREFIXES 64 /* looked through for each connection */
#define CFG_RULE_PATHS 8 /* of a rule; a connection has no more subflows */
#define CFG_JOIN_ADDRESSES 4 /* each is an MPTCP endpoint, of which the kernel has 8 */
#define CFG_LISTEN_ADDRESSES 8 /* each is a descriptor in every worker */

enum cfg_role {
	CFG_LAN, /* hosts are here: SYNs are classified */
	CFG_PATH, /* towards the peers: an MPTCP path, and where Convert arrives */
	CFG_NET, /* a hub's side of the servers: return traffic of preserved sources */
};
enum cfg_use { CFG_PRIMARY, CFG_BACKUP, CFG_OVERFLOW };
enum cfg_guard { CFG_GUARD_AUTO, CFG_GUARD_XDP, CFG_GUARD_XDP_GENERIC, CFG_GUARD_TC };
enum cfg_accept { CFG_ACCEPT_KEYED, CFG_ACCEPT_ISSUED, CFG_ACCEPT_OPEN };
enum cfg_source { CFG_SHARE, CFG_PRESERVE };
enum cfg_transport { CFG_UDP, CFG_TCP };
enum cfg_mode { CFG_EXPLICIT, CFG_TRANSPARENT };
enum cfg_dialect { CFG_DIALECT_MPGATE, CFG_DIALECT_RFC8803 };
enum cfg_connect { CFG_HONEST, CFG_EARLY };
enum cfg_mptcp { CFG_MPTCP_PASS, CFG_MPTCP_LEARNED, CFG_MPTCP_TERMINATE };
enum cfg_if_down { CFG_IF_DOWN_DIRECT, CFG_IF_DOWN_REJECT };
/* When a connection to a peer gets its further subflows; DEFAULT: as the section `subflows` says. */
enum cfg_join { CFG_JOIN_DEFAULT, CFG_JOIN_LATE, CFG_JOIN_AT_ONCE, CFG_JOIN_NEVER };
/*
 * How the connections of a rule use their paths (3GPP ATSSS, TS 23.501, 5.32.8): all; the best one, and the next when
 * it fails; the one with the shortest round trip; the best one, and the next while it is full.
 */
enum cfg_steer { CFG_STEER_BALANCE, CFG_STEER_STANDBY, CFG_STEER_DELAY, CFG_STEER_PRIORITY };
/* Over how many paths a connection's request goes at a time; DEFAULT: as the section `subflows` says. */
enum cfg_setup { CFG_SETUP_DEFAULT, CFG_SETUP_SINGLE, CFG_SETUP_STAGGER, CFG_SETUP_DUPLICATE };
/* Which of a group's peers has a connection: the first that is up, or by client, each as its weight is. */
enum cfg_choose { CFG_CHOOSE_ORDER, CFG_CHOOSE_CLIENT };
enum cfg_manager { CFG_MANAGER_AUTO, CFG_MANAGER_KERNEL };

struct cfg_link {
	char *name; /* interface */
	enum cfg_role role;
	char *path; /* label of a path; the name when absent */
	enum cfg_use use;
	enum cfg_guard guard;
	bool early_classify; /* gate at XDP */
	char *congestion; /* control, of a path's subflows; NULL: the namespace's */
	uint32_t mark; /* of a path's packets; 0: none */
	bool no_detour; /* of a path: the default route over it is taken even when it is dead */
	unsigned up_mbit, down_mbit; /* of a path: what it carries; 0: not known */
	unsigned quota_mib; /* of a path, a month, both directions; 0: none */
	unsigned quota_day; /* of the month, from 1: when the quota begins anew */
	struct mpgate_addr gateway[2]; /* of a path, IPv4 and IPv6; zero: what the routing tables have */
	bool gateway_link; /* it needs none: the other end of the link is the way */
};

/* Sorted by family, address and length; none lies inside another. */
struct cfg_prefixes {
	struct prefix *p;
	unsigned count;
};

struct cfg_port_range {
	uint16_t from, to; /* host order, both included */
};

struct cfg_ports {
	uint16_t port[CFG_PORTS - 1]; /* host order */
	unsigned count;
};

struct cfg_convert {
	bool listening; /* `listen` was given */
	struct mpgate_addr *listen;
	unsigned listen_count;
	struct mpgate_addr *join; /* our own, announced: there further subflows come, not to those of listen */
	unsigned join_count;
	uint16_t port;
	struct cfg_ports ports; /* others, where the same is listened for */
	enum cfg_accept accept;
	enum cfg_source source;
	struct cfg_prefixes allow_from; /* who may speak Convert to us; empty: anyone (keyed only) */
	struct cfg_prefixes allow_to; /* where connections may go */
	unsigned window; /* seconds; of keyed cookies */
	unsigned unchecked_rate; /* SYNs per second and source that guard cannot check */
	unsigned pending_per_client; /* requests of one client address that have no server connection yet */
	struct cfg_prefixes
		pool; /* where servers see connections come from, with `source: share`; empty: the hub's own */
	struct cfg_port_range pool_ports; /* of the pool's addresses; from 0: as net.ipv4.ip_local_port_range says */
	unsigned per_subscriber; /* connections of one subscriber at a time; 0: any number */
};

/* Where the begin and the end of each connection towards a server are written down; nowhere when all is empty. */
struct cfg_mapping_log {
	bool log; /* into the daemon's log */
	char *file; /* absolute or relative to the working directory, resolved by config_load; NULL: none */
	bool exports; /* as IPFIX to the collector */
	struct mpgate_addr collector;
	uint16_t port;
	enum cfg_transport transport;
	unsigned domain; /* observation domain id */
};

/* Connections with the tag of a peer that pass here are taken (mode: transparent at their opener). */
struct cfg_transparent {
	bool accept; /* the section was given */
	struct mpgate_addr *join; /* our own, announced: there and to that port further subflows come */
	unsigned join_count;
	uint16_t port;
};

struct cfg_peer {
	char *name;
	enum cfg_mode mode; /* transparent: it is somewhere on the path to servers, and has no address */
	/*
	 * Where it may be dialed; says nothing about keys. With a domain or by DHCP nothing at first, and room for
	 * CFG_PEER_ADDRESSES: the daemon fills in what it finds there.
	 */
	struct mpgate_addr *address;
	unsigned address_count;
	uint16_t port;
	struct cfg_ports ports; /* others of the same machine, for paths where that one is closed */
	char *domain; /* whose SRV records say address and port; NULL: none */
	bool dhcp; /* an option of DHCP says them, or the domain */
	char *key_file; /* absolute or relative to the working directory, resolved by config_load; NULL: none */
	char *previous_key_file; /* accepted as well, during a rotation */
	unsigned ready; /* connections a worker opens ahead, while the peer is in use */
	enum cfg_dialect dialect;
	struct cfg_prefixes allow_source; /* which hosts' addresses it may have preserved; empty: none */
	unsigned park; /* connections that each worker keeps open to it, over which it opens others to us */
	struct cfg_prefixes
		accept_to; /* where it may connect to when it opens connections to us; empty: convert.allow-to */
	int same_key; /* index of an earlier peer, one of whose keys has the name of one of ours; -1: none */
};

struct cfg_group {
	char *name;
	unsigned *peers; /* indexes into config.peers, best first */
	unsigned *weights; /* of each, from 1; NULL: all alike */
	unsigned peer_count;
	enum cfg_choose choose;
	bool implied; /* made for a peer that a rule names; has the peer's name */
};

struct cfg_prefix_set {
	char *name;
	struct cfg_prefixes prefixes; /* contents of `file` and of `prefixes` */
};

struct cfg_rule {
	char *name;
	int link; /* index into config.links, or one of CFG_LINK_* */
	struct cfg_prefixes from, to; /* prefixes given in the rule itself */
	int from_set, to_set; /* index into config.sets, matched as well; -1: none */
	bool from_given, to_given; /* false: matches any source, any destination */
	struct cfg_port_range *ports; /* none: any */
	unsigned port_count;
	uint8_t *dscp; /* none: any */
	unsigned dscp_count;
	bool proxy, terminate; /* action; neither: direct */
	int group; /* index into config.groups; -1 without proxy. A peer named by `via` has a group made for it */
	enum cfg_connect connect;
	enum cfg_if_down if_down;
	enum cfg_mptcp mptcp; /* what becomes of SYNs with MP_CAPABLE */
	enum cfg_join join; /* published: DEFAULT, the peer decides */
	unsigned paths[CFG_RULE_PATHS]; /* indexes into config.links: these alone carry it, best first */
	unsigned path_count; /* 0: all do */
	enum cfg_steer steer;
	enum cfg_setup setup; /* published: DEFAULT, which is single there */
	bool published; /* an entry of `publish` */
	struct mpgate_addr target; /* published: where the peer connects to */
	uint16_t target_port; /* published: for the first port of ports[0]; 0: the port outside */
	unsigned line; /* of the rule in the file */
};

struct config {
	char *path; /* of the file */
	char *instance;
	unsigned workers; /* never 0 after config_load */
	bool host; /* connections that this machine opens go by the rules, too */
	struct cfg_link *links;
	unsigned link_count;
	struct cfg_convert convert;
	struct cfg_mapping_log mapping_log;
	struct cfg_transparent transparent;
	unsigned enterprise; /* whose vendor options of DHCP are read; 0: nobody's */
	struct cfg_peer *peers;
	unsigned peer_count;
	struct cfg_group *groups; /* those of the file, then one for each peer named directly by a rule */
	unsigned group_count;
	struct cfg_prefix_set *sets;
	unsigned set_count;
	bool default_proxy; /* reserved: policy.default is `direct` */
	struct cfg_rule *rules; /* entries of `publish`, then policy.rules */
	unsigned rule_count;
	unsigned published; /* of these, entries of `publish` */
	struct {
		enum cfg_manager manager; /* who decides which subflows exist */
		enum cfg_join join; /* of rules that do not say; never DEFAULT */
		enum cfg_setup setup; /* the same */
		bool no_demotion; /* paths stay what `use` says, however they fare */
		bool no_pacing; /* slow ones may be given more than they carry */
		unsigned after_kib, after_ms; /* CFG_JOIN_LATE: so much was moved, or so long it goes on */
	} subflows;
	struct {
		unsigned first_bytes_ms; /* early connect: how long the client's first bytes are awaited */
		unsigned peer; /* for a peer's handshake; then the connection goes on without it */
		unsigned connect; /* seconds, all of these; 0 is not allowed */
		unsigned header; /* for the Convert message to be complete */
		unsigned idle; /* no byte in either direction */
		unsigned half_closed; /* the same once one side has ended */
		unsigned keepalive; /* silence after which a peer is probed; 0: never */
	} timeouts;
	struct {
		unsigned connections; /* relayed at a time, all workers together */
		unsigned request_rate; /* Convert requests a second that the tables of used cookies are made for */
		unsigned buffer_mib; /* bytes parked under back-pressure, a worker */
		unsigned kernel_mib; /* of readers that stand still, all workers together; 0: by the machine's memory */
	} limits;
	char *metrics_listen; /* NULL: no metrics */
	uint16_t metrics_port;
	char *metrics_token_file; /* who has what is in it gets the status page; as peers[].key_file */
	struct {
		unsigned value, mask; /* value lies inside mask, and neither is 0 */
	} mark; /* on packets that steer gives to local sockets */
};

/* One line a user can act on: "FILE:LINE: what is wrong". */
struct cfg_error {
	char text[512];
};

/*
 * Reads and checks the file at path. Returns 0 and a configuration that the
 * caller frees with config_free(), or -errno (-EINVAL for what the text says)
 * with *err filled in and *out untouched.
 */
int config_load(const char *path, struct config **out, struct cfg_error *err);
/* The same from memory; dir is what relative paths are relative to, name is for messages. */
int config_parse(const char *text, size_t len, const char *name, const char *dir, struct config **out,
		 struct cfg_error *err);
/* Whether the rule takes connections that come in on this link. */
static inline bool config_rule_takes(const struct config *cfg, const struct cfg_rule *rule, unsigned link)
{
	if (rule->link != CFG_LINK_ANY)
		return rule->link == (int)link;
	return rule->published || rule->terminate || cfg->links[link].role == CFG_LAN;
}

/* Whether it takes those that this machine opens. */
static inline bool config_rule_takes_host(const struct cfg_rule *rule)
{
	return !rule->published && !rule->terminate && (rule->link == CFG_LINK_ANY || rule->link == CFG_LINK_HOST);
}

/*
 * 1: this peer is not used, since its key cannot be told from that of another; text says why. 0: it is. The other
 * peers of a configuration do not suffer from it.
 */
int config_left_out(const struct config *cfg, unsigned peer, char *text, size_t size);
void config_free(struct config *cfg);

/* -EADDRINUSE with err filled in: one of these addresses of this machine is in the pool; else 0. */
int config_pool_check(const struct config *cfg, const struct mpgate_addr *local, unsigned count, struct cfg_error *err);
static inline bool config_logs_mappings(const struct config *cfg)
{
	return cfg->mapping_log.log || cfg->mapping_log.file || cfg->mapping_log.exports;
}

/* Does a rule limit its connections to some paths, or say how they use them? */
static inline bool config_steers(const struct cfg_rule *rule)
{
	return rule->path_count || rule->steer;
}

/* Is the peer one that is dialed, whether it is known where by now or not? */
static inline bool config_dials(const struct cfg_peer *p)
{
	return p->address_count || p->domain || p->dhcp;
}

bool cfg_has_port(const struct cfg_ports *p, uint16_t port);

/* Where a peer may be dialed. */
struct cfg_end {
	struct mpgate_addr addr;
	uint16_t port; /* host order */
};
/*
 * Its addresses at its own port, in their order, then at each other one, as many as there is room for: how many. With
 * a domain or by DHCP its own port may be one of the others.
 */
static inline unsigned config_ends(const struct cfg_peer *p, struct cfg_end out[CFG_PEER_ENDS])
{
	unsigned n = 0;

	for (unsigned k = 0; k <= p->ports.count; k++) {
		uint16_t port = k ? p->ports.port[k - 1] : p->port;

		if (k && port == p->port)
			continue;
		for (unsigned i = 0; i < p->address_count && n < CFG_PEER_ENDS; i++)
			out[n++] = (struct cfg_end){ .addr = p->address[i], .port = port };
	}
	return n;
}

/* Is a peer of mode transparent? */
static inline bool config_has_transparent(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->peer_count; i++)
		if (cfg->peers[i].mode == CFG_TRANSPARENT)
			return true;
	return false;
}

/* Does a rule ask how servers take MPTCP, or do we speak it to servers? */
static inline bool config_learns(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->rule_count; i++)
		if (cfg->rules[i].mptcp == CFG_MPTCP_LEARNED)
			return true;
	return config_has_transparent(cfg);
}

/*
 * Advice on a configuration that is right: into text (CFG_HINT bytes), true when there is any. mbit[i] is the speed of
 * links[i] in Mbit/s, 0: unknown.
 */
#define CFG_HINT 256
bool config_hint(const struct config *cfg, const unsigned *mbit, char text[CFG_HINT]);

/* The configuration as YAML that config_parse() reads back to an equal one; malloc'ed, NULL: no memory. */
char *config_print(const struct config *cfg);

#endif
