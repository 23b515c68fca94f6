// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/keys.h>

#include "cunit.h"
#include "vectors.h"

#define COOKIE_VECTORS "tests/vectors/cookie.txt"

static char dir[] = "/tmp/mpgate-keys-XXXXXX";
static char file[64];

static int make_dir(void)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/key", dir);
	return keys_init();
}

static int remove_dir(void)
{
	unlink(file);
	return rmdir(dir);
}

static void write_file(const char *text, size_t len, mode_t mode)
{
	int fd;

	unlink(file);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
	close(fd);
}

static void test_new_keys_differ_and_parse_again(void)
{
	struct key a, b, c;
	char text_a[KEY_LINE], text_b[KEY_LINE];

	key_new(&a, text_a);
	key_new(&b, text_b);
	CU_ASSERT(memcmp(&a, &b, sizeof(a)) != 0);
	CU_ASSERT_EQUAL(strlen(text_a), KEY_LINE - 1);
	CU_ASSERT_EQUAL(key_parse(text_a, strlen(text_a), &c), 0);
	CU_ASSERT(memcmp(&a, &c, sizeof(a)) == 0);
	CU_ASSERT_EQUAL(key_id(&a), key_id(&c));
}

/* "AAAA...=": 43 digits and the padding are 32 bytes. */
#define DIGITS_42 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh"
#define GOOD DIGITS_42 "8="

static void test_key_text(void)
{
	static const struct {
		const char *text;
		size_t len;
		int result;
	} cases[] = {
		{ GOOD, 44, 0 },
		{ GOOD "\n", 45, 0 },
		{ GOOD "\n\n", 46, -EINVAL },
		{ GOOD "\r\n", 46, -EINVAL },
		{ GOOD " ", 45, -EINVAL },
		{ " " GOOD, 45, -EINVAL },
		{ GOOD "\0", 45, -EINVAL },
		{ GOOD GOOD, 88, -EINVAL },
		{ GOOD "AAAA", 48, -EINVAL },
		{ "", 0, -EINVAL },
		{ "\n", 1, -EINVAL },
		{ DIGITS_42 "8", 43, -EINVAL }, /* no padding */
		{ DIGITS_42 "9=", 44, -EINVAL }, /* bits after the last byte */
		{ DIGITS_42 "==", 44, -EINVAL }, /* 31 bytes */
		{ DIGITS_42 "8A", 44, -EINVAL }, /* 33 bytes */
		{ DIGITS_42 "!=", 44, -EINVAL },
		{ "-" DIGITS_42 "=", 44, -EINVAL }, /* the other alphabet */
		{ "AAAA\n" GOOD, 49, -EINVAL },
	};
	struct key key, before;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r;

		memset(&key, 0xee, sizeof(key));
		before = key;
		r = key_parse(cases[i].text, cases[i].len, &key);
		if (r != cases[i].result)
			printf("\nkey text %zu, \"%s\": %d\n", i, cases[i].text, r);
		CU_ASSERT_EQUAL(r, cases[i].result);
		CU_ASSERT_EQUAL(memcmp(&key, &before, sizeof(key)) == 0, r != 0);
		for (unsigned b = 0; r == 0 && b < KEY_LEN; b++)
			CU_ASSERT_EQUAL(key.secret[b], b);
	}
}

static void test_file_is_made_private(void)
{
	struct key a, b;
	struct stat st;
	mode_t mask = umask(0);

	unlink(file);
	CU_ASSERT_EQUAL(key_file_create(file), 0);
	umask(mask);
	CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size, KEY_LINE);
	CU_ASSERT_EQUAL(key_file_load(file, &a), 0);
	unlink(file);
	CU_ASSERT_EQUAL(key_file_create(file), 0);
	CU_ASSERT_EQUAL(key_file_load(file, &b), 0);
	CU_ASSERT(memcmp(&a, &b, sizeof(a)) != 0);
}

static void test_file_is_never_replaced(void)
{
	char target[80], text[8] = { 0 };
	int fd;

	write_file("mine", 4, 0600);
	CU_ASSERT_EQUAL(key_file_create(file), -EEXIST);
	fd = open(file, O_RDONLY);
	CU_ASSERT_EQUAL(read(fd, text, sizeof(text)), 4);
	CU_ASSERT_STRING_EQUAL(text, "mine");
	close(fd);

	snprintf(target, sizeof(target), "%s/elsewhere", dir);
	unlink(file);
	CU_ASSERT_EQUAL_FATAL(symlink(target, file), 0);
	CU_ASSERT_EQUAL(key_file_create(file), -EEXIST);
	CU_ASSERT_EQUAL(access(target, F_OK), -1);
	unlink(file);
	snprintf(target, sizeof(target), "%s/none/key", dir);
	CU_ASSERT_EQUAL(key_file_create(target), -ENOENT);
}

static void test_file_others_may_read_is_refused(void)
{
	static const mode_t bad[] = { 0640, 0604, 0644, 0660, 0602, 0610, 0601, 0666, 0777 };
	static const mode_t good[] = { 0600, 0400, 0700 };
	struct key key;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(GOOD "\n", 45, bad[i]);
		CU_ASSERT_EQUAL(key_file_load(file, &key), -EACCES);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		write_file(GOOD "\n", 45, good[i]);
		CU_ASSERT_EQUAL(key_file_load(file, &key), 0);
	}
}

static void test_file_without_a_key_is_refused(void)
{
	struct key key;

	unlink(file);
	CU_ASSERT_EQUAL(key_file_load(file, &key), -ENOENT);
	write_file("", 0, 0600);
	CU_ASSERT_EQUAL(key_file_load(file, &key), -EINVAL);
	write_file(GOOD "\n" GOOD "\n", 90, 0600);
	CU_ASSERT_EQUAL(key_file_load(file, &key), -EINVAL);
	write_file("not a key\n", 10, 0600);
	CU_ASSERT_EQUAL(key_file_load(file, &key), -EINVAL);
	write_file(GOOD, 44, 0600);
	CU_ASSERT_EQUAL(key_file_load(file, &key), 0);
	unlink(file);
	CU_ASSERT_EQUAL_FATAL(mkfifo(file, 0600), 0);
	CU_ASSERT_EQUAL(key_file_load(file, &key), -EINVAL);
	unlink(file);
	CU_ASSERT_EQUAL(key_file_load(dir, &key), -EINVAL);
}

/* The names, sub-keys and end ids that the vectors give, computed by another implementation. */
static void run_derivation(const struct vector *v)
{
	unsigned char want[VECTOR_BYTES];
	const char *text = vector_get(v, "key"), *self = vector_get(v, "self");
	struct subkey sub, other;
	uint64_t k[2] = { 0 };
	struct key key;

	CU_ASSERT_EQUAL_FATAL(key_parse(text, strlen(text), &key), 0);
	key_derive(&key, self, strlen(self), &sub);
	key_derive(&key, self, strlen(self) - 1, &other);
	CU_ASSERT_EQUAL(vector_hex(vector_get(v, "subkey"), want), 16);
	for (unsigned i = 0; i < 16; i++)
		k[i / 8] |= (uint64_t)want[i] << 8 * (i % 8);
	CU_ASSERT(sub.k0 == k[0] && sub.k1 == k[1]);
	CU_ASSERT_EQUAL(sub.id, strtoul(vector_get(v, "id"), NULL, 16));
	CU_ASSERT_EQUAL(sub.end, strtoul(vector_get(v, "end"), NULL, 16));
	CU_ASSERT(sub.id == key_id(&key));
	/* Another instance: another end of the same key. */
	CU_ASSERT(other.k0 == k[0] && other.k1 == k[1] && other.id == sub.id && other.end != sub.end);
}

static void test_derivation(void)
{
	vectors_run(COOKIE_VECTORS, 10, run_derivation);
}

static void test_wipe(void)
{
	struct key key;
	char line[KEY_LINE];

	key_new(&key, line);
	key_wipe(&key, sizeof(key));
	for (unsigned i = 0; i < KEY_LEN; i++)
		CU_ASSERT_EQUAL(key.secret[i], 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "new keys differ and parse again", test_new_keys_differ_and_parse_again },
		{ "key text: one line of base64, nothing else", test_key_text },
		{ "a new key file is private, whatever the umask", test_file_is_made_private },
		{ "a file or link in the way is never replaced", test_file_is_never_replaced },
		{ "a file that others may read is refused", test_file_others_may_read_is_refused },
		{ "a file without a key is refused", test_file_without_a_key_is_refused },
		{ "names, sub-keys and end ids as in the vectors", test_derivation },
		{ "a wiped key is gone", test_wipe },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("keys", tests, make_dir, remove_dir) ? EXIT_SUCCESS : EXIT_FAILURE;
}
