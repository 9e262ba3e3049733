/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * What /proc says (proc(5)).  /proc may be hidden or absent: every function says so with a negative
 * errno (-ESRCH: no such process; others: cannot look), and the callers treat "cannot look" as no
 * evidence against.
 */
struct proc_stat {
	char state; /* R S D T t Z X ...: the main thread's, Z also where only that one ended */
	pid_t parent;
	pid_t group;
	int64_t priority; /* 20 + nice, and below 0 of a real-time policy */
	uint64_t n_threads;
	uint64_t start_ticks;
};

/* False where /proc is of another PID namespace: its numbers would name other processes. */
bool proc_is_ours(void);

/*
 * /proc/PID/task/PID/stat, read behind the last ')' of the name: /proc/PID/stat says the same, but
 * adds up the times of all threads under a lock of the process. Returns 0 or a negative errno.
 */
int proc_read_stat(pid_t pid, struct proc_stat *ret);

/* 1 where @pid descends from us (by parents; a zombie does too), 0 where it does not (we
 * ourselves do not), or a negative errno. A child of ours is known without /proc. */
int proc_is_descendant(pid_t pid);

/*
 * Our descendants, all depths, zombies and systemd's (sd-pam) left out: at most @max pids into
 * @pids. Returns how many there are, @max + 1 where there are more, or a negative errno. Reads
 * /proc/PID/task/TID/children, and all of /proc where the kernel lacks that file. What forks or
 * loses its parent meanwhile may be missed: call again until nothing is left.
 */
ptrdiff_t proc_descendants(pid_t *pids, size_t max);

/*
 * Where systemd started us, before our own first fork: whom it left us as a child. With PAMName=
 * that is (sd-pam), of another user, and where /proc hides those of others (ProtectProc=)
 * proc_descendants() knows it by what is found here.
 */
void proc_note_before(void);

/* True where there was such a child, and no /proc of ours: nothing tells it from all later ones. */
bool proc_has_unlisted(void);

/* /proc/PID/comm, without the line end, cleaned. Returns 0 or a negative errno. */
int proc_read_comm(pid_t pid, char *buffer, size_t size);
