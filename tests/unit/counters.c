/* SPDX-License-Identifier: MIT */
/*
 * For the build with coverage counters alone (SDWD_COVERAGE), linked into each program of it:
 * writes the counters where a process ends in a way that gcc's own part does not see. That part
 * writes them at exit(3) and before the exec calls that it knows as builtins; here are the others,
 * which forked children end by, and the signal by which sdwd dies as its child did. What is killed
 * from outside keeps its counters for itself.
 *
 * Everything is interposed: a definition here is found before that of libc, and passes on to it.
 * Weak, since a unit test may have one of its own.
 */
#include <dlfcn.h>
#include <gcov.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From zero again: an exec may fail, and what comes after is written at the next end. */
static void write_counters(void) {
	__gcov_dump();
	__gcov_reset();
}

__attribute__((weak)) long syscall(long number, ...) {
	static long (*next)(long, ...);
	long word[6];
	va_list words;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(words, number);
	for (int i = 0; i < 6; i++)
		word[i] = va_arg(words, long);
	va_end(words);
	if (number == SYS_execveat)
		write_counters();
	return next(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}

__attribute__((weak)) void _exit(int status) {
	write_counters();
	for (;;)
		syscall(SYS_exit_group, status);
}

__attribute__((weak)) int execvpe(const char *file, char *const argv[], char *const envp[]) {
	int (*next)(const char *, char *const[], char *const[]);

	*(void **)&next = dlsym(RTLD_NEXT, "execvpe");
	write_counters();
	return next(file, argv, envp);
}

__attribute__((weak)) int kill(pid_t pid, int number) {
	if (pid == getpid() && number != 0)
		write_counters();
	return (int)syscall(SYS_kill, pid, number);
}
