// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/answers/why.h>

void others_add(const struct supervisor *s, json_t *reply)
{
	json_t *all = json_array();
	unsigned n;
	const struct paths_other *v = paths_others(s->paths, &n);

	for (unsigned i = 0; i < n; i++) {
		json_t *o = json_object();

		json_set_text(o, "program", v[i].program);
		if (v[i].pid)
			json_set_int(o, "pid", (uint64_t)v[i].pid);
		json_set_text(o, "what", v[i].what);
		json_object_set_new(o, "conflict", json_boolean(v[i].conflict));
		json_array_append_new(all, o);
	}
	json_object_set_new(reply, "others", all);
}
