/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of peers and the cookies made with them (docs/protocol.md). A key file
 * is one line of base64, 32 bytes of secret, mode 0600, the same at both ends.
 * Each end has a number of its own under it, so that a cookie never opens
 * anything at its sender.
 */
#ifndef LIB_KEYS_H
#define LIB_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include <lib/convert.h>

#define KEY_LEN 32

/* Whoever holds one wipes it after use. */
struct key {
	uint8_t secret[KEY_LEN];
};

/* What cookies are made and checked with. */
struct subkey {
	uint64_t k0, k1; /* as SipHash takes them, little endian */
	uint32_t id; /* the name of the key it comes from */
	uint32_t end; /* our own end id under it */
};

/* Once before anything else here; 0 or -ENOSYS. */
int keys_init(void);
void key_wipe(void *p, size_t len);

/* A new random key; text form into line (KEY_LINE bytes, NUL included, no newline). The caller wipes both. */
#define KEY_LINE 45
void key_new(struct key *key, char line[KEY_LINE]);
/* The text of a key file (one line, an end of line at most after it). 0 or -EINVAL; *key untouched on failure. */
int key_parse(const char *text, size_t len, struct key *key);
uint32_t key_id(const struct key *key);
/* self: what tells this instance from every other that may hold the key; its end id is made from that and the key. */
void key_derive(const struct key *key, const void *self, size_t len, struct subkey *out);

/* A hash key that is always the same for this instance (self, as above), and known to nobody who does not know that. */
void key_of_self(const void *self, size_t len, uint64_t out[2]);

/*
 * Writes a new key file; refuses to replace one. -EEXIST or -errno.
 * key_file_load: -EACCES when its mode gives anything to group or others, -EINVAL when it holds no key.
 */
int key_file_create(const char *path);
int key_file_load(const char *path, struct key *key);

/* Keyed cookies. Times in seconds since 1970. The TLVs may be empty. */
void cookie_make(const struct subkey *key, uint32_t now, const uint8_t nonce[8],
		 const struct convert_bytes *connect_tlv, const struct convert_bytes *source_tlv,
		 struct convert_cookie *out);
/* The key id a cookie names; -EINVAL when it is no keyed cookie (length, version). */
int cookie_key_id(const struct convert_bytes *cookie, uint32_t *id);
/*
 * 0, -EKEYREJECTED (forged), -ELOOP (of our own end: what we sent came back, or two instances are taken for one),
 * -ETIME (outside now +- window). Constant time in the tag.
 */
int cookie_check(const struct subkey *key, uint32_t now, unsigned window, const struct convert_bytes *cookie,
		 const struct convert_bytes *connect_tlv, const struct convert_bytes *source_tlv);

/* The value of a Clock TLV that answers a cookie for which cookie_check() said -ETIME. */
void clock_make(const struct subkey *key, const struct convert_bytes *cookie, uint32_t now,
		uint8_t out[CONVERT_CLOCK_LEN]);
/* The time that an answer to our cookie of that time stamp and nonce tells: 0 and *now, or -EKEYREJECTED. */
int clock_check(const struct subkey *key, uint32_t stamp, const uint8_t nonce[8], const struct convert_bytes *clock,
		uint32_t *now);

/*
 * Issued cookies (RFC 8803, 6.2.7): timestamp and a tag over it and the client's address under a secret of the
 * converter's own. Valid for ISSUED_LIFETIME seconds. issued_check: 0, -EKEYREJECTED (none of ours, or another
 * client's), -ETIME.
 */
#define ISSUED_LEN 20
#define ISSUED_LIFETIME 86400U
void issued_make(const struct subkey *secret, uint32_t now, const struct mpgate_addr *client, uint8_t out[ISSUED_LEN]);
int issued_check(const struct subkey *secret, uint32_t now, const struct mpgate_addr *client,
		 const struct convert_bytes *cookie);

#endif
