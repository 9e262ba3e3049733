/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program: calls number FIRST to FIRST + COUNT - 1 of one function fail with one
 * errno.
 *   SDWD_FAULT="PROGRAM FUNCTION FIRST COUNT ERROR"
 * PROGRAM is the last part of argv[0]; a process that it forks counts with it until exec. ERROR is
 * a number: of errno, or what the function returns as its error; 0: the call is made, for one byte
 * only. FIRST 0 only counts, and FUNCTION "*" is then every one. SDWD_FAULT_REPORT names a file of
 * the size of struct report, which all processes share. In PROGRAM the variables and LD_PRELOAD are
 * taken out of the environment, so what it starts is not hit and sees nothing.
 *
 * Calls of glibc within itself do not come by here, but for those of malloc(3) and its like, which
 * are made to be replaced. Every function here takes at most six whole numbers or pointers, each in
 * a register of its own, so one form does for all; their own names would not fit it, so they have
 * others in C.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES_MAX 12
#define FRAME_LENGTH 96
#define SITES_MAX 65536
/* So many callers tell one site from another. */
#define SITE_DEPTH 6
/* hits() and the function that asks it. */
#define OWN_FRAMES 2

/* tests/system/faults.py reads it. */
struct report {
	uint32_t calls;
	uint32_t injected;
	uint32_t wants_sites;
	uint32_t n_frames;
	char frames[FRAMES_MAX][FRAME_LENGTH]; /* of the last fault, innermost first */
	struct {
		char function[24];
		uint64_t callers;
	} sites[SITES_MAX]; /* of each call, in order */
};

typedef long function(long, long, long, long, long, long);

static struct report *report;
static char target[64];
static unsigned first, count;
static int error;
static __thread bool is_inside;

__attribute__((constructor)) static void begin(void) {
	const char *what = getenv("SDWD_FAULT"), *path = getenv("SDWD_FAULT_REPORT");
	struct report *shared;
	char program[64];
	void *warm[2];
	int fd;

	if (!what || !path ||
	    sscanf(what, "%63s %63s %u %u %d", program, target, &first, &count, &error) != 5 ||
	    strcmp(program, program_invocation_short_name) != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		abort();
	(void)close(fd);
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("SDWD_FAULT");
	(void)unsetenv("SDWD_FAULT_REPORT");
	/* Its first call loads a library. */
	(void)backtrace(warm, 2);
	report = shared;
}

static uint64_t site_of(void *const *frames, int n) {
	uint64_t hash = 14695981039346656037U;

	for (int i = OWN_FRAMES; i < n && i < OWN_FRAMES + SITE_DEPTH; i++) {
		uint64_t at = (uintptr_t)frames[i];
		Dl_info info;

		if (dladdr(frames[i], &info) && info.dli_fbase)
			at -= (uintptr_t)info.dli_fbase;
		hash = (hash ^ at) * 1099511628211U;
	}
	return hash;
}

static void tell_frames(void *const *frames, int n) {
	uint32_t told = 0;

	for (int i = OWN_FRAMES; i < n && told < FRAMES_MAX; i++) {
		const char *slash;
		Dl_info info;

		if (!dladdr(frames[i], &info) || !info.dli_fname)
			continue;
		slash = strrchr(info.dli_fname, '/');
		(void)snprintf(report->frames[told++], FRAME_LENGTH, "%s+%#lx",
			       slash ? slash + 1 : info.dli_fname,
			       (unsigned long)((char *)frames[i] - (char *)info.dli_fbase));
	}
	report->n_frames = told;
}

/* Whether this call is to fail; then errno is set. */
__attribute__((noinline)) static bool hits(const char *name) {
	void *frames[FRAMES_MAX + OWN_FRAMES];
	unsigned number;
	int saved, n;
	bool is_hit;

	if (!report || is_inside || (strcmp(name, target) != 0 && strcmp(target, "*") != 0))
		return false;
	saved = errno;
	is_inside = true;
	number = __atomic_add_fetch(&report->calls, 1, __ATOMIC_SEQ_CST);
	is_hit = first > 0 && number >= first && number - first < count;
	if (is_hit || report->wants_sites) {
		n = backtrace(frames, FRAMES_MAX + OWN_FRAMES);
		if (number <= SITES_MAX && report->wants_sites) {
			(void)strncpy(report->sites[number - 1].function, name,
				      sizeof(report->sites[0].function) - 1);
			report->sites[number - 1].callers = site_of(frames, n);
		}
		if (is_hit) {
			tell_frames(frames, n);
			(void)__atomic_add_fetch(&report->injected, 1, __ATOMIC_SEQ_CST);
		}
	}
	is_inside = false;
	errno = is_hit && error > 0 ? error : saved;
	return is_hit;
}

static function *find(const char *name) {
	bool was_inside = is_inside;
	function *found;

	is_inside = true;
	found = (function *)dlsym(RTLD_NEXT, name);
	is_inside = was_inside;
	if (!found)
		abort();
	return found;
}

#define PARAMETERS long a, long b, long c, long d, long e, long f
#define DECLARE(name) \
	long fault_##name(PARAMETERS) __asm__(#name); \
	long fault_##name(PARAMETERS)

/* @name fails as @as by returning @failure. */
#define WRAP_AS(name, as, failure) \
	DECLARE(name) { \
		static function *real; \
\
		if (hits(#as)) \
			return failure; \
		if (!real) \
			real = find(#name); \
		return real(a, b, c, d, e, f); \
	}
#define WRAP(name) WRAP_AS(name, name, -1)
#define WRAP_POINTER(name) WRAP_AS(name, name, 0)
#define WRAP_CODE(name) WRAP_AS(name, name, error)
/* One that moves bytes, as many as its third argument says. */
#define WRAP_BYTES(name) \
	DECLARE(name) { \
		static function *real; \
\
		if (hits(#name)) { \
			if (error > 0) \
				return -1; \
			c = c > 1 ? 1 : c; \
		} \
		if (!real) \
			real = find(#name); \
		return real(a, b, c, d, e, f); \
	}
/* One that has its effect even where it fails (close(2): the fd is gone). */
#define WRAP_AFTER(name) \
	DECLARE(name) { \
		static function *real; \
		bool is_hit = hits(#name); \
		int saved = errno; \
		long r; \
\
		if (!real) \
			real = find(#name); \
		r = real(a, b, c, d, e, f); \
		if (!is_hit) \
			return r; \
		errno = saved; \
		return -1; \
	}

/* clang-format off */
/* sockets */
WRAP(socket) WRAP(socketpair) WRAP(bind) WRAP(connect) WRAP(listen) WRAP(accept) WRAP(accept4)
WRAP(getsockopt) WRAP(setsockopt) WRAP(getsockname) WRAP(getpeername) WRAP(shutdown)
WRAP_BYTES(send) WRAP_BYTES(sendto) WRAP(sendmsg) WRAP_BYTES(recv) WRAP_BYTES(recvfrom) WRAP(recvmsg)
WRAP_CODE(getaddrinfo) WRAP(if_nametoindex)
/* processes and signals */
WRAP(fork) WRAP_CODE(posix_spawnp) WRAP_CODE(pthread_create) WRAP(execve) WRAP(execvpe) WRAP(waitid) WRAP(waitpid)
WRAP(kill) WRAP(sigqueue) WRAP(sigaction) WRAP(sigprocmask) WRAP_CODE(pthread_sigmask) WRAP(sigpending) WRAP(sigtimedwait)
WRAP(signalfd) WRAP(prctl) WRAP(setsid) WRAP(getsid) WRAP(setpgid) WRAP(setpriority) WRAP(getpriority)
WRAP(sched_setscheduler) WRAP(mlockall) WRAP(getrlimit) WRAP(setrlimit) WRAP(tcsetpgrp) WRAP(tcgetpgrp)
WRAP(tcgetattr) WRAP(tcsetattr) WRAP(ioctl)
/* waiting and fds */
WRAP(epoll_create1) WRAP(epoll_ctl) WRAP(epoll_wait) WRAP(epoll_pwait) WRAP(poll) WRAP(ppoll) WRAP(select)
WRAP(eventfd) WRAP(timerfd_create) WRAP(timerfd_settime) WRAP(nanosleep) WRAP(usleep) WRAP(clock_gettime)
WRAP(pipe) WRAP(pipe2) WRAP(dup) WRAP(dup2) WRAP(dup3) WRAP(fcntl) WRAP_AS(fcntl64, fcntl, -1) WRAP_AFTER(close)
WRAP_BYTES(read) WRAP(readv) WRAP_BYTES(write) WRAP(writev)
WRAP(inotify_init1) WRAP(inotify_add_watch) WRAP(inotify_rm_watch) WRAP(getrandom)
/* files */
WRAP(open) WRAP_AS(open64, open, -1) WRAP_AS(__open_2, open, -1) WRAP_AS(__open64_2, open, -1)
WRAP(openat) WRAP_AS(openat64, openat, -1) WRAP_AS(__openat64_2, openat, -1)
WRAP_POINTER(fopen) WRAP_AS(fopen64, fopen, 0) WRAP_POINTER(fdopen) WRAP_POINTER(open_memstream) WRAP(fflush)
WRAP_AFTER(fclose) WRAP(fwrite) WRAP(fputs) WRAP(puts) WRAP_AS(__getdelim, getdelim, -1) WRAP(fsync)
WRAP_POINTER(opendir) WRAP_POINTER(fdopendir) WRAP_POINTER(readdir) WRAP_AS(readdir64, readdir, 0) WRAP_AFTER(closedir)
WRAP(stat) WRAP_AS(stat64, stat, -1) WRAP(lstat) WRAP_AS(lstat64, lstat, -1) WRAP(fstat) WRAP_AS(fstat64, fstat, -1)
WRAP(fstatat) WRAP_AS(fstatat64, fstatat, -1) WRAP(statfs) WRAP_AS(statfs64, statfs, -1) WRAP(fstatfs)
WRAP_AS(fstatfs64, fstatfs, -1) WRAP(access) WRAP(faccessat) WRAP(readlink) WRAP(readlinkat) WRAP(getxattr)
WRAP(chdir) WRAP_POINTER(getcwd) WRAP(mkdir) WRAP(mkdirat) WRAP_POINTER(mkdtemp) WRAP(mkostemp) WRAP(rmdir) WRAP(unlink)
WRAP(unlinkat) WRAP(link) WRAP(rename) WRAP(renameat) WRAP(renameat2) WRAP(chmod) WRAP(fchmod)
/* memory; strdup(3), asprintf(3), opendir(3), qsort(3) and what else allocates in libc come by malloc(3) */
WRAP_AS(mmap, mmap, -1) WRAP_AS(mmap64, mmap, -1)
	/* clang-format on */

	/* What dlsym(3) itself may call is found without it. */
	void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

void *malloc(size_t size) {
	return hits("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
	return hits("calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
	return hits("realloc") ? NULL : __libc_realloc(p, size);
}

#ifndef SYS_close_range
#define SYS_close_range 436 /* glibc 2.31 has no name for it */
#endif

/* The calls that have no function, by their numbers. */
static const struct {
	long number;
	const char *name;
} numbers[] = {
	{SYS_close_range, "close_range"}, {SYS_pidfd_open, "pidfd_open"},
	{SYS_execveat, "execveat"},       {SYS_rt_sigprocmask, "rt_sigprocmask"},
	{SYS_capset, "capset"},
};

long fault_syscall(long number, PARAMETERS) __asm__("syscall");

long fault_syscall(long number, PARAMETERS) {
	/* Its own name is ours here. */
	static long (*real)(long, ...);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (number == numbers[i].number && hits(numbers[i].name))
			return -1;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a, b, c, d, e, f);
}
