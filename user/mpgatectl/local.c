/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/config/config.h>
#include <lib/keys.h>
#include <lib/setup_info.h>
#include <mpgatectl/local.h>

json_t *local_policy_check(const struct args *args, char **error)
{
	struct config *cfg = NULL;
	struct cfg_error err = { "" };
	json_t *value;

	if (config_load(args->operands[0], &cfg, &err)) {
		*error = strdup(err.text);
		return NULL;
	}
	value = json_pack("{s:b, s:s, s:s, s:i, s:i, s:i}", "ok", 1, "file", args->operands[0], "instance",
			  cfg->instance, "links", (int)cfg->link_count, "peers", (int)cfg->peer_count, "rules",
			  (int)cfg->rule_count);
	config_free(cfg);
	return value;
}

static json_t *key_failed(const char *file, int err, char **error)
{
	const char *why = strerror(-err);

	if (err == -EACCES && !access(file, R_OK))
		why = "can be read by others: its mode must be 0600";
	else if (err == -EINVAL)
		why = "holds no key";
	else if (err == -EEXIST)
		why = "exists; a key is never replaced";
	else if (err == -ENOSYS)
		why = "the random number source does not work";
	if (asprintf(error, "%s: %s", file, why) < 0)
		*error = NULL;
	return NULL;
}

/* The key itself never leaves this function. */
static json_t *key_value(const char *file, char **error)
{
	struct key key;
	char id[12];
	int err = key_file_load(file, &key);

	if (err)
		return key_failed(file, err, error);
	snprintf(id, sizeof(id), "%08x", (unsigned)key_id(&key));
	key_wipe(&key, sizeof(key));
	return json_pack("{s:s, s:s}", "file", file, "id", id);
}

json_t *local_key_new(const struct args *args, char **error)
{
	int err = keys_init();

	if (!err)
		err = key_file_create(args->operands[0]);
	return err ? key_failed(args->operands[0], err, error) : key_value(args->operands[0], error);
}

json_t *local_key_show_id(const struct args *args, char **error)
{
	int err = keys_init();

	return err ? key_failed(args->operands[0], err, error) : key_value(args->operands[0], error);
}

/* Writes the line into a new file that takes the place of the one before. 0 or -errno. */
static int replace_file(const char *path, const char *line, size_t len)
{
	char fresh[PATH_MAX + 8], dir[PATH_MAX];
	int fd, err = 0;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	mkdir(dir, 0755); /* the daemon may not have run yet */
	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkstemp(fresh);
	if (fd < 0)
		return -errno;
	if (write(fd, line, len) != (ssize_t)len || rename(fresh, path) < 0)
		err = -errno;
	close(fd);
	if (err)
		unlink(fresh);
	return err;
}

static json_t *keep_option(const char *name, const struct args *args, char **error)
{
	char path[PATH_MAX], line[SETUP_NAME_MAX + 2 * SETUP_OPTION_MAX + 2];
	const char *instance = args->instance ? args->instance : "default";
	uint8_t data[SETUP_OPTION_MAX];
	int n = setup_info_bytes(args->operands[0], data, sizeof(data)), err, len;

	if (n < 0) {
		if (asprintf(error, "%s: %s", name,
			     n == -E2BIG ? "the option is too long" : "no bytes in hexadecimal") < 0)
			*error = NULL;
		return NULL;
	}
	snprintf(path, sizeof(path), SETUP_FILE, instance);
	len = snprintf(line, sizeof(line), "%s ", name);
	for (int i = 0; i < n; i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, "%02x", data[i]);
	len += snprintf(line + len, sizeof(line) - (size_t)len, "\n");
	err = strchr(instance, '/') ? -EINVAL : replace_file(path, line, (size_t)len);
	if (!err)
		return json_pack("{s:s, s:i}", "file", path, "bytes", n);
	if (asprintf(error, "%s: %s", path, strerror(-err)) < 0)
		*error = NULL;
	return NULL;
}

json_t *local_setup_dhcp4(const struct args *args, char **error)
{
	static const char *const names[] = SETUP_NAMES;

	return keep_option(names[0], args, error);
}

json_t *local_setup_dhcp6(const struct args *args, char **error)
{
	static const char *const names[] = SETUP_NAMES;

	return keep_option(names[1], args, error);
}
