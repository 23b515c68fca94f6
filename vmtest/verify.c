// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmtest/verify OBJECT...: loads each BPF program of each object alone and tells what this kernel's verifier
 * says. One line a program on standard output:
 *
 *   insns NAME XLATED VERIFIED     loaded; its instructions, and those the verifier walked through
 *   refused NAME ERRNO             not loaded; the verifier's log is on standard error
 *
 * Exit 0 when all were loaded, 1 when one was refused, 2 when nothing could be tried.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define INSN_BYTES 8U /* size of one BPF instruction */

/* Loads one program of the object alone. Returns 0, 1 when it was refused, -errno when it is not there. */
static int verify_program(const char *path, const char *name)
{
	struct bpf_prog_info info = { 0 };
	struct bpf_program *prog, *wanted = NULL;
	struct bpf_object *obj;
	__u32 len = sizeof(info);
	int err;

	obj = bpf_object__open_file(path, NULL);
	if (!obj)
		return -errno;
	bpf_object__for_each_program(prog, obj)
	{
		bool is_it = !strcmp(bpf_program__name(prog), name);

		bpf_program__set_autoload(prog, is_it);
		if (is_it)
			wanted = prog;
	}
	err = wanted ? bpf_object__load(obj) : -ENOENT;
	if (!err)
		err = bpf_obj_get_info_by_fd(bpf_program__fd(wanted), &info, &len);
	if (err)
		printf("refused %s %s\n", name, strerror(-err));
	else
		printf("insns %s %u %u\n", name, info.xlated_prog_len / INSN_BYTES, info.verified_insns);
	bpf_object__close(obj);
	return err ? 1 : 0;
}

/* All programs of one object; as verify_program(). */
static int verify_object(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int result = 0;

	if (!obj) {
		int err = -errno;

		fprintf(stderr, "%s: %s\n", path, strerror(-err));
		return err;
	}
	bpf_object__for_each_program(prog, obj)
	{
		int one = verify_program(path, bpf_program__name(prog));

		if (one < 0) {
			result = one;
			break;
		}
		result |= one;
	}
	bpf_object__close(obj);
	return result;
}

int main(int argc, char **argv)
{
	int result = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: verify OBJECT...\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* a guest may be stopped in the middle */
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	for (int i = 1; i < argc; i++) {
		int one = verify_object(argv[i]);

		if (one < 0)
			return 2;
		result |= one;
	}
	return result;
}
