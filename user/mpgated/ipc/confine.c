// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/ipc/confine.h>

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <lib/trim.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534 /* uid and gid that own nothing */
#define PASSWD "/etc/passwd"
#define OWN_USER "mpgate" /* configs/mpgate.sysusers: no other program can send it signals */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* The file alone is read: what else may know users is a library to load, in each process. */
static void find_user(uid_t *uid, gid_t *gid)
{
	FILE *f = fopen(PASSWD, "re");
	const struct passwd *p = NULL;

	while (f && (p = fgetpwent(f)) && strcmp(p->pw_name, OWN_USER))
		;
	*uid = p && p->pw_uid ? p->pw_uid : NOBODY;
	*gid = p && p->pw_gid ? p->pw_gid : NOBODY;
	if (f)
		fclose(f);
}

static int drop_privileges(uint32_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep } };
	uid_t uid;
	gid_t gid;

	find_user(&uid, &gid);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || syscall(SYS_capset, &head, data) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0 || /* again: the change of uid has set it to fs.suid_dumpable */
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

#ifndef SANITIZED
/* To end, in order or by abort(), with a last word. */
static const int calls_of_all[] = {
	SCMP_SYS(exit),		  SCMP_SYS(exit_group),	  SCMP_SYS(futex),	     SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(write),  SCMP_SYS(writev),
};

static int filter_calls(const struct confine_call *calls, size_t n)
{
	const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
	/* worker/fault.c takes the SIGSYS of a refused call. */
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int ret = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !ret && i < sizeof(calls_of_all) / sizeof(calls_of_all[0]); i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_of_all[i], 0);
	if (!ret)
		ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
	if (!ret) /* by musl; there is one thread */
		ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tkill), 1, &own);
	for (size_t i = 0; !ret && i < n; i++)
		ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls[i].call, calls[i].args, calls[i].arg);
	/* A tree in place of a list: calls whose arguments are looked at are made for every connection. */
	if (!ret)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	/* Making it took more memory than anything that follows. */
	trim_memory();
	return ret;
}
#else
/* The sanitizers' runtime opens files and starts threads of its own. */
static int filter_calls(const struct confine_call *calls, size_t n)
{
	(void)calls;
	(void)n;
	return 0;
}
#endif

int confine(uint32_t capabilities, const struct confine_call *calls, size_t n)
{
	int ret = drop_privileges(capabilities);

	return ret ? ret : filter_calls(calls, n);
}
