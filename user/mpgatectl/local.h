/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that need no daemon. Each is a verb_run. */
#ifndef CTL_LOCAL_H
#define CTL_LOCAL_H

#include <mpgatectl/args.h>

json_t *local_policy_check(const struct args *args, char **error);
/* Keep the vendor option that a DHCP client has got, for the daemon. */
json_t *local_setup_dhcp4(const struct args *args, char **error);
json_t *local_setup_dhcp6(const struct args *args, char **error);
json_t *local_key_new(const struct args *args, char **error);
json_t *local_key_show_id(const struct args *args, char **error);

#endif
