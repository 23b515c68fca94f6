// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

#define NS_PER_MS 1000000ULL
#define HOSTS_MS 1000 /* that an operator waits for them */
#define LOOK_EACH 2U /* of these looks one is for programs of others, too */
#define RESTORE_CHECKS 6 /* calls of links_check() between two looks for filters that are gone */

/* The wish: what came of it aside. */
static bool same(const struct service *a, const struct service *b)
{
	return a->ifindex == b->ifindex && a->l3 == b->l3 && a->role == b->role && a->guard == b->guard &&
	       a->early_classify == b->early_classify && !strcmp(a->name, b->name);
}

static struct service *find(struct services *list, const struct service *wish)
{
	for (unsigned i = 0; i < list->count; i++)
		if (same(&list->link[i], wish))
			return &list->link[i];
	return NULL;
}

static bool has_interface(const struct services *list, unsigned ifindex)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->link[i].ifindex == ifindex)
			return true;
	return false;
}

/* How link i of the configuration is to be served. False: not at all. */
static bool wish(struct supervisor *s, unsigned i, struct service *out)
{
	const struct cfg_link *c = &s->cfg->links[i];
	const struct paths_link *l = paths_get(s->paths, i);
	char text[160];
	bool unfit = l->ifindex && link_kind_unfit(&l->kind, c->role, text, sizeof(text));

	if (unfit && !s->links.unfit[i])
		log_with(LOG_LEVEL_ERROR, LOG_FIELDS({ LOG_PATH, c->name }), "link %s is not served: %s", c->name,
			 text);
	s->links.unfit[i] = unfit;
	if (!l->ifindex || unfit)
		return false;
	*out = (struct service){
		.ifindex = l->ifindex,
		.l3 = l->l3,
		.role = c->role,
		.guard = c->guard == CFG_GUARD_AUTO && link_kind_wants_tc(&l->kind) ? CFG_GUARD_TC : c->guard,
		.early_classify = c->early_classify,
	};
	strncpy(out->name, c->name, sizeof(out->name) - 1);
	return true;
}

static void leave(struct supervisor *s, unsigned i)
{
	datapath_link_gone(s->dp, s->ifindex[i]);
	s->ifindex[i] = 0;
	s->attached[i] = (struct datapath_attached){ 0 };
}

/* It is attached: the policy in force is to know, and the operator. */
static void enter(struct supervisor *s, unsigned i, const struct service *v)
{
	const struct cfg_link *c = &s->cfg->links[i];
	char text[160];

	s->ifindex[i] = v->ifindex;
	s->attached[i] = v->attached;
	datapath_link_up(s->dp, v->ifindex, c, v->l3, s->link_bitmap[i]);
	log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, c->name }), "link %s: steer %s, guard %s, gate %s", c->name,
		 datapath_hook_name(v->attached.steer), datapath_hook_name(v->attached.guard),
		 datapath_hook_name(v->attached.gate));
	if (link_kind_caution(&paths_get(s->paths, i)->kind, c->role, text, sizeof(text)))
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, c->name }), "link %s: %s", c->name, text);
}

/* In the thread. */
static void work(void *arg)
{
	struct supervisor *s = arg;
	struct links *l = &s->links;

	for (unsigned i = 0; i < l->present.count; i++)
		if (!has_interface(&l->todo, l->present.link[i].ifindex))
			datapath_detach(s->dp, l->present.link[i].ifindex);
	for (unsigned i = 0; i < l->todo.count; i++) {
		struct service *v = &l->todo.link[i];
		const struct service *before = find(&l->present, v);
		const struct cfg_link c = {
			.name = v->name, .role = v->role, .guard = v->guard, .early_classify = v->early_classify
		};

		if (before && !before->error) {
			*v = *before;
		} else {
			v->error = datapath_attach(s->dp, v->ifindex, &c, v->l3, &v->attached);
			v->known = before && before->error == v->error;
		}
		v->foreign_xdp = datapath_foreign_xdp(s->dp, v->ifindex, v->foreign_name);
	}
	if (l->restore)
		datapath_restore(s->dp);
	l->hosts_error = 0;
	if (l->todo.hosts != l->present.hosts)
		l->hosts_error = datapath_attach_hosts(s->dp, l->todo.hosts);
	if (l->hosts_error)
		l->todo.hosts = false;
	l->present = l->todo;
}

/* Whether a job would change something. */
static bool is_due(struct links *l)
{
	bool due = l->restore || l->look || l->wanted.hosts != l->present.hosts || l->wanted.count != l->present.count;

	for (unsigned i = 0; i < l->wanted.count && !due; i++) {
		const struct service *v = find(&l->present, &l->wanted.link[i]);

		due = !v || (v->error && l->retry);
	}
	return due;
}

static void begin(struct links *l)
{
	if (l->job.running || !is_due(l))
		return;
	l->retry = false;
	l->todo = l->wanted;
	job_start(&l->job);
}

static void show(struct supervisor *s, unsigned i, const struct service *v)
{
	if (!v->error) {
		if (s->ifindex[i] != v->ifindex)
			enter(s, i, v);
		s->attached[i] = v->attached;
		return;
	}
	if (s->ifindex[i])
		leave(s, i);
	if (!v->known)
		log_with(LOG_LEVEL_ERROR, LOG_FIELDS({ LOG_PATH, v->name }),
			 "link %s: cannot attach %s: %s: it is not served; tried again", v->name, v->attached.failed,
			 strerror(-v->error));
}

static void on_done(void *arg)
{
	struct supervisor *s = arg;
	struct links *l = &s->links;

	l->restore = l->look = false;
	if (l->hosts_error)
		l->wanted.hosts = false;
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		struct service now;
		const struct service *v = wish(s, i, &now) ? find(&l->present, &now) : NULL;

		if (v)
			show(s, i, v);
	}
	/* What was wanted meanwhile. */
	begin(l);
}

void links_settle(struct supervisor *s)
{
	struct links *l = &s->links;

	l->wanted.count = 0;
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		struct service *v = &l->wanted.link[l->wanted.count];
		bool wanted = wish(s, i, v);

		if (s->ifindex[i] && (!wanted || s->ifindex[i] != v->ifindex)) {
			leave(s, i);
			if (!l->unfit[i])
				log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, s->cfg->links[i].name }),
					 "link %s is gone", s->cfg->links[i].name);
		}
		l->wanted.count += wanted;
	}
	begin(l);
}

void links_check(struct supervisor *s)
{
	struct links *l = &s->links;

	l->retry = true;
	if (++l->checks >= RESTORE_CHECKS && !l->job.running) {
		l->checks = 0;
		l->look = l->looks++ % LOOK_EACH == 0;
		for (unsigned i = 0; i < s->cfg->link_count; i++)
			l->restore |= s->attached[i].steer == HOOK_CLSACT;
	}
	links_settle(s);
}

void supervisor_link(void *arg, unsigned i, const struct paths_link *l)
{
	struct supervisor *s = arg;

	(void)l;
	/* Those that are found while the paths are opened are served when all are known. */
	if (!s->paths)
		return;
	if (s->cfg->links[i].role == CFG_PATH) {
		peers_paths_changed(s);
		by_path_tell(s);
		discover_hurry(s);
	}
	links_settle(s);
}

int links_wait(struct supervisor *s, unsigned ms)
{
	uint64_t end = uv_hrtime() + ms * NS_PER_MS;

	while (s->links.job.running) {
		uint64_t now = uv_hrtime();

		if (!job_wait(&s->links.job, now < end ? (unsigned)((end - now) / NS_PER_MS) : 0))
			return -EBUSY;
	}
	return 0;
}

void links_move(struct supervisor *s, const struct config *from)
{
	struct datapath_attached attached[MPGATE_MAX_LINKS] = { 0 };
	unsigned ifindex[MPGATE_MAX_LINKS] = { 0 };

	for (unsigned i = 0; i < from->link_count; i++) {
		const struct cfg_link *a = &from->links[i];

		for (unsigned k = 0; k < s->cfg->link_count; k++) {
			const struct cfg_link *b = &s->cfg->links[k];

			if (strcmp(a->name, b->name) != 0 || a->role != b->role || a->guard != b->guard ||
			    a->early_classify != b->early_classify)
				continue;
			attached[k] = s->attached[i];
			ifindex[k] = s->ifindex[i];
		}
	}
	memcpy(s->attached, attached, sizeof(attached));
	memcpy(s->ifindex, ifindex, sizeof(ifindex));
	memset(s->links.unfit, 0, sizeof(s->links.unfit));
	s->links.look = true;
}

int links_serve_hosts(struct supervisor *s, bool on)
{
	struct links *l = &s->links;

	l->wanted.hosts = on;
	begin(l);
	if (!on)
		return 0;
	if (links_wait(s, HOSTS_MS) < 0)
		return -EINPROGRESS;
	return l->present.hosts ? 0 : l->hosts_error;
}

int links_open(struct supervisor *s)
{
	int err;

	s->links.job = (struct job){ .work = work, .done = on_done, .arg = s };
	err = job_open(&s->links.job, &s->loop);
	s->links.open = !err;
	return err;
}

void links_close(struct supervisor *s)
{
	if (s->links.open)
		job_close(&s->links.job, NULL);
	s->links.open = false;
}
