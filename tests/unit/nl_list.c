// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of netlink's objects, for tests of what is done with them: paths/netlink.c without its sockets. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/paths/netlink.h>

#include "cunit.h"

int nl_list_add(struct nl_list *l, const void *item, size_t size)
{
	void *v = realloc(l->v, (l->n + 1) * size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	l->v = v;
	memcpy((char *)v + l->n++ * size, item, size);
	return 0;
}

void nl_list_free(struct nl_list *l)
{
	free(l->v);
	*l = (struct nl_list){ 0 };
}
