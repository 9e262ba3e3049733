/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>
#include <time.h>

#include "base/defs.h"

/* Why a pidfile's content was not taken; for logs and for --pidfile-timeout's reason. */
enum pidfile_problem {
	PIDFILE_OK,
	PIDFILE_MISSING,    /* no such file (yet) */
	PIDFILE_UNREADABLE, /* permission, a link (O_NOFOLLOW), a folder ... */
	PIDFILE_NOT_REGULAR,
	PIDFILE_EMPTY,     /* or without a whole number yet */
	PIDFILE_MALFORMED, /* the first line is not a decimal number */
	PIDFILE_RANGE,     /* 0, 1, above pid_max, or sdwd itself */
	PIDFILE_OLD,       /* the caller's word: it is what was there before the start */
	PIDFILE_PROBLEM_MAX,
};

struct pidfile_reading {
	enum pidfile_problem problem;
	int error;              /* errno of UNREADABLE */
	pid_t pid;              /* OK */
	bool is_world_writable; /* OK: worth a warning */
	/* OK: of the file, for pidfile_is_same() */
	dev_t device;
	ino_t inode;
	struct timespec written;
};

/*
 * Reads the pid in the first line of @path (strict decimal, 2..pid_max; blanks around it allowed).
 * Never blocks on a FIFO, never follows a link. Whether that process is ours is the caller's
 * question: that is what makes a pidfile trustworthy.
 */
void pidfile_read(const char *path, struct pidfile_reading *ret);

/* Whether both are OK and nothing was written between them. */
bool pidfile_is_same(const struct pidfile_reading *a, const struct pidfile_reading *b);

const char *pidfile_problem_str(enum pidfile_problem problem);

/*
 * An inotify fd (CLOEXEC, non-blocking) on the folder of @path: readable when anything in it was
 * written, moved or made. Returns it, or a negative errno (the folder may not exist yet: retry).
 */
int pidfile_watch(const char *path);

/* Throws away what the inotify fd has to say. */
void pidfile_watch_drain(int fd);
