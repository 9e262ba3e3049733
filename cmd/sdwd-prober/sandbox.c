/* SPDX-License-Identifier: MIT */
/*
 * The filter names what a process that was taken over would want next, and kills for it; all else
 * is allowed, since libcurl, its TLS and the resolver's modules differ from system to system.  It
 * is set by prctl(2): the system call seccomp(2) is not in @system-service, which units filter by.
 */
#include "sandbox.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/defs.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__arm__) && defined(__ARMEL__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#endif

/* Those younger than the oldest headers; their numbers are the same everywhere. */
#define NR_io_uring_setup 425
#define NR_open_tree 428
#define NR_move_mount 429
#define NR_fsopen 430
#define NR_fsconfig 431
#define NR_fsmount 432
#define NR_fspick 433
#define NR_mount_setattr 442

#define DATA_MAX (256UL * 1024 * 1024)
#define FILES_MAX 512

static const unsigned denied[] = {
	/* another program, another process */
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_kcmp,
	SYS_personality,
	/* another view of the system */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_unshare,
	SYS_setns,
	NR_open_tree,
	NR_move_mount,
	NR_fsopen,
	NR_fsconfig,
	NR_fsmount,
	NR_fspick,
	NR_mount_setattr,
	/* another identity */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	SYS_capset,
	/* the machine */
	SYS_reboot,
	SYS_kexec_load,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_swapon,
	SYS_swapoff,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_adjtimex,
	SYS_acct,
	SYS_quotactl,
	SYS_syslog,
	/* much used by attacks on the kernel, and by nothing here */
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	NR_io_uring_setup,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	SYS_open_by_handle_at,
	SYS_mknodat,
};

static void limit(int which, rlim_t most) {
	struct rlimit r;

	if (getrlimit(which, &r) < 0)
		return;
	r.rlim_cur = MIN(r.rlim_cur, most);
	r.rlim_max = MIN(r.rlim_max, most);
	(void)setrlimit(which, &r);
}

static void limit_resources(void) {
	struct stat st;

	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
	/* What is said on stderr must get there, also where that is a file. */
	if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		limit(RLIMIT_FSIZE, 0);
#ifndef __SANITIZE_ADDRESS__
	/* Not the address space: each thread reserves far more of it than it uses. */
	limit(RLIMIT_DATA, DATA_MAX);
#endif
	/* One arena for each thread would be kept. */
	(void)mallopt(M_ARENA_MAX, 2);
}

static bool has_capabilities(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct has[2] = {0};

	return syscall(SYS_capget, &header, has) < 0 || has[0].permitted != 0 ||
	       has[1].permitted != 0 || has[0].inheritable != 0 || has[1].inheritable != 0;
}

static void set_none(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	(void)syscall(SYS_capset, &header, none);
}

/* A filter can only be asked by a process that may die of it. */
static bool is_deadly(void (*call)(void)) {
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		call();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

/*
 * capset(2) is in @privileged, which many units take out of @system-service, and their filter kills
 * for it.  So nothing is set where there is nothing any more (sdwd sees to that where it can,
 * spawn_helper()), and it is tried out first where there is.
 */
static void drop_capabilities(void) {
	if (has_capabilities() && !is_deadly(set_none))
		set_none();
}

static void filter_calls(void) {
#ifdef ARCHITECTURE
	struct sock_filter filter[7 + 2 * ARRAY_SIZE(denied)];
	struct sock_fprog program = {.filter = filter};
	const struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	unsigned short n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, arch));
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	filter[n++] = kill;
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	/* The same calls once more, by the numbers of x32. */
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	filter[n++] = kill;
#endif
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		filter[n++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], 0, 1);
		filter[n++] = kill;
	}
	filter[n++] = allow;
	program.len = n;
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
#endif
}

void sandbox_enter(void) {
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	limit_resources();
	drop_capabilities();
	filter_calls();
}
