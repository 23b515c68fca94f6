/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <lib/config/config.h>
#include <lib/keys.h>
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

	if (err == -EACCES)
		why = "not readable, or readable by others (its mode must be 0600)";
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
