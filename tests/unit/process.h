/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * For tests of what a process is and has: each case runs in a forked process of its own, so that
 * its signals, fds and children are its alone. A failed CHECK ends that process with 99.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/usec.h"
#include "open_fds.h"

/* Long: a loaded machine is no failure. */
#define PATIENCE (60 * USEC_PER_SEC)

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, \
				errno); \
			_exit(99); \
		} \
	} while (0)

/* Waits until @condition holds. */
#define CHECK_SOON(condition) \
	do { \
		usec_t give_up_at_ = usec_now() + PATIENCE; \
		while (!(condition)) { \
			CHECK(usec_now() < give_up_at_ && #condition); \
			usleep(1000); \
		} \
	} while (0)

static inline int exit_status_of(pid_t pid) {
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

/* Ends the children that we have: what a body that failed left behind comes to us, the subreaper.
 */
static inline void end_children(void) {
	int children;
	char line[4096];

	do {
		ssize_t n;

		children = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
		n = children < 0 ? -1 : read(children, line, sizeof(line) - 1);
		line[n < 0 ? 0 : n] = '\0';
		if (children >= 0)
			(void)close(children);
		for (char *at = line, *end; strtol(at, &end, 10) > 0; at = end)
			(void)kill((pid_t)strtol(at, NULL, 10), SIGKILL);
	} while (children >= 0 && waitpid(-1, NULL, __WALL) > 0);
}

/* Runs @body in a process of its own, without any fd above 2, and fails where it fails. */
static inline void isolated(void (*body)(void)) {
	int status;
	pid_t pid;

	fflush(NULL);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int fd = 3; fd < 256; fd++)
			(void)close(fd);
		body();
		_exit(0);
	}
	status = exit_status_of(pid);
	end_children();
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The path of this very program: the tests start it again with an argument. */
static inline char *own_path(void) {
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	CHECK(n > 0);
	path[n] = '\0';
	return path;
}

/* One line of /proc/@pid/status, behind its name ("SigBlk"); 0: our own. */
static inline char *status_line(pid_t pid, const char *name, char *buffer, size_t size) {
	char path[64], line[1024];
	size_t length = strlen(name);
	FILE *file;

	if (pid > 0)
		snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/status");
	file = fopen(path, "re");
	if (!file)
		return NULL;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) != 0 || line[length] != ':')
			continue;
		fclose(file);
		snprintf(buffer, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
		buffer[strcspn(buffer, "\n")] = '\0';
		return buffer;
	}
	fclose(file);
	return NULL;
}

static inline uint64_t status_mask(pid_t pid, const char *name) {
	char text[64];

	CHECK(status_line(pid, name, text, sizeof(text)));
	return strtoull(text, NULL, 16);
}

static inline char status_state(pid_t pid) {
	char text[64];

	return status_line(pid, "State", text, sizeof(text)) ? text[0] : '\0';
}

/* A fresh file's name; the caller unlinks it. */
static inline char *fresh_file(char *buffer, size_t size) {
	int fd;

	snprintf(buffer, size, "%s/sdwd-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(buffer);
	CHECK(fd >= 0);
	close(fd);
	return buffer;
}

/* The whole of a file, cut at 64 KiB. */
static inline char *file_text(const char *path) {
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)n;
	close(fd);
	text[length] = '\0';
	return text;
}

static inline void write_file(const char *path, const char *text, mode_t mode) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fchmod(fd, mode) == 0);
	close(fd);
}

/* What the process that runs this has, one "name value" a line, into the file at @path. */
static inline int report_self(const char *path, const char *argv0) {
	static const char *const lines[] = {"SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"};
	char text[64], target[4096], link[64];
	FILE *file;
	bool is_open[256];

	for (int fd = 0; fd < (int)ARRAY_SIZE(is_open); fd++)
		is_open[fd] = fcntl(fd, F_GETFD) >= 0;
	file = fopen(path, "we");
	if (!file)
		return 1;
	for (size_t n = 0; n < ARRAY_SIZE(lines); n++)
		fprintf(file, "%s %s\n", lines[n], status_line(0, lines[n], text, sizeof(text)));
	fprintf(file, "pid %d\nppid %d\npgid %d\nsid %d\nargv0 %s\n", (int)getpid(), (int)getppid(),
		(int)getpgrp(), (int)getsid(0), argv0);
	for (int fd = 0; fd < (int)ARRAY_SIZE(is_open); fd++) {
		ssize_t n;

		if (!is_open[fd])
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		fprintf(file, "fd%d %s\n", fd, target);
	}
	for (char **entry = environ; *entry; entry++)
		fprintf(file, "env %s\n", *entry);
	return fclose(file) == 0 ? 0 : 1;
}

/* The value of a line of such a report, or NULL; valid until the next call. */
static inline const char *reported(const char *report, const char *name) {
	static char value[4096];
	size_t length = strlen(name);

	for (const char *p = report; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (strncmp(p, name, length) != 0 || p[length] != ' ')
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + length + 1, "\n"),
			 p + length + 1);
		return value;
	}
	return NULL;
}

/* True where one of its lines is exactly "@name @value". */
static inline bool report_has(const char *report, const char *name, const char *value) {
	char line[4200];

	snprintf(line, sizeof(line), "\n%s %s\n", name, value);
	return strstr(report, line) != NULL;
}

static inline size_t reported_fds(const char *report) {
	size_t n = 0;

	for (const char *p = report; (p = strstr(p, "\nfd")); p++)
		n++;
	return n;
}
