// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/keys.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

/* Contexts of crypto_kdf (BLAKE2b personalisation): what a derived value is for. */
#define KDF_NAME "mpgateid"
#define KDF_COOKIE "mpgateck"
#define KDF_END "mpgateen"
#define KDF_SELF "mpgate pool subscribers" /* a key of crypto_generichash: 16 bytes or more */
#define KDF_INDEX 1
#define END_KEY_LEN 32
#define SUBKEY_LEN 16

_Static_assert(KEY_LEN == crypto_kdf_KEYBYTES, "the secret is a crypto_kdf key");
_Static_assert(SUBKEY_LEN == crypto_kdf_BYTES_MIN && SUBKEY_LEN == crypto_shorthash_siphashx24_KEYBYTES,
	       "a sub-key is a SipHash key");
_Static_assert(KEY_LINE == sodium_base64_ENCODED_LEN(KEY_LEN, sodium_base64_VARIANT_ORIGINAL),
	       "a line holds the text of a key");

int keys_init(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void key_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void key_new(struct key *key, char line[KEY_LINE])
{
	crypto_kdf_keygen(key->secret);
	sodium_bin2base64(line, KEY_LINE, key->secret, sizeof(key->secret), sodium_base64_VARIANT_ORIGINAL);
}

int key_parse(const char *text, size_t len, struct key *key)
{
	struct key k;
	size_t got;
	int err = 0;

	if (len && text[len - 1] == '\n')
		len--;
	if (sodium_base642bin(k.secret, sizeof(k.secret), text, len, NULL, &got, NULL,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    got != sizeof(k.secret))
		err = -EINVAL;
	else
		*key = k;
	key_wipe(&k, sizeof(k));
	return err;
}

static uint32_t first_word(const uint8_t *hash)
{
	return (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

uint32_t key_id(const struct key *key)
{
	uint8_t name[crypto_kdf_BYTES_MIN];

	crypto_kdf_derive_from_key(name, sizeof(name), KDF_INDEX, KDF_NAME, key->secret);
	return first_word(name);
}

static uint32_t end_id(const struct key *key, const void *self, size_t len)
{
	uint8_t k[END_KEY_LEN], hash[crypto_generichash_BYTES_MIN];

	crypto_kdf_derive_from_key(k, sizeof(k), KDF_INDEX, KDF_END, key->secret);
	crypto_generichash(hash, sizeof(hash), self, len, k, sizeof(k));
	key_wipe(k, sizeof(k));
	return first_word(hash);
}

void key_derive(const struct key *key, const void *self, size_t len, struct subkey *out)
{
	uint64_t k[SUBKEY_LEN / sizeof(uint64_t)];

	crypto_kdf_derive_from_key((uint8_t *)k, sizeof(k), KDF_INDEX, KDF_COOKIE, key->secret);
	out->k0 = le64toh(k[0]);
	out->k1 = le64toh(k[1]);
	out->id = key_id(key);
	out->end = end_id(key, self, len);
	key_wipe(k, sizeof(k));
}

void key_of_self(const void *self, size_t len, uint64_t out[2])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(hash, sizeof(hash), self, len, (const uint8_t *)KDF_SELF, strlen(KDF_SELF));
	memcpy(out, hash, 2 * sizeof(*out));
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= n;
	}
	return fsync(fd) ? -errno : 0;
}

int key_file_create(const char *path)
{
	char line[KEY_LINE];
	struct key key;
	int err, fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -errno;
	key_new(&key, line);
	line[KEY_LINE - 1] = '\n';
	err = write_all(fd, line, sizeof(line));
	key_wipe(line, sizeof(line));
	key_wipe(&key, sizeof(key));
	if (close(fd) && !err)
		err = -errno;
	if (err)
		unlink(path);
	return err;
}

/* A regular file that nobody but its owner may read or change; else -EINVAL, -EACCES. */
static int check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return st.st_mode & (S_IRWXG | S_IRWXO) ? -EACCES : 0;
}

/* Reads up to cap bytes; how many, or -errno. */
static ssize_t read_all(int fd, char *p, size_t cap)
{
	size_t got = 0;

	while (got < cap) {
		ssize_t n = read(fd, p + got, cap - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += n;
	}
	return got;
}

int key_file_load(const char *path, struct key *key)
{
	char text[KEY_LINE + 1]; /* one byte more than a key and its end of line: a longer file is no key */
	ssize_t len;
	int err, fd;

	/* Not to hang on a FIFO that has been put in the file's place. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = check_private(fd);
	if (!err) {
		len = read_all(fd, text, sizeof(text));
		err = len < 0 ? (int)len : key_parse(text, len, key);
		key_wipe(text, sizeof(text));
	}
	close(fd);
	return err;
}
