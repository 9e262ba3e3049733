/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

#define SELF_DEADLY 1

/*
 * What sdwd gives itself for its own safety, after the child was forked so that the child has none
 * of it, and before the loop: the first three are tried out in a forked process, which is waited
 * for. Each returns 0, a negative errno, or SELF_DEADLY: nothing was done, because the filter for
 * system calls (seccomp(2)) that this process is under would have killed it.
 */
int self_lock_memory(void);        /* mlockall, current and future, on fault */
int self_set_rtprio(int priority); /* SCHED_RR with SCHED_RESET_ON_FORK */
int self_set_nice(int nice);
int self_set_oom_score(int adjust);
int self_become_subreaper(void); /* before the fork; the child does not inherit it (prctl(2)) */

/*
 * Under SCHED_RESET_ON_FORK (CPUSchedulingResetOnFork=) a policy and a nice value that the command
 * would have got would end with sdwd. The first, before the fork, finds out whether the child may
 * have them (as above); the second gives them to it, and is async-signal-safe. Without /proc, and
 * where not even asking is allowed, nothing is told and nothing given.
 */
int self_keep_scheduling(void);
void self_pass_on_scheduling(void);

/*
 * In a forked check or hook: goes back to the nice and OOM values from before the functions above,
 * as far as the kernel allows it. It is SCHED_OTHER already, and has no locked memory (mlock(2)).
 */
void self_undo(void);

/*
 * Ends the process by the same death as the child (status as of waitpid(2)): _exit with its code;
 * or the same signal with PR_SET_DUMPABLE=0, and exit code 128+n where that cannot be (pid 1, a
 * signal that does not kill by itself or that libc keeps to itself). Runs after everything was
 * cleaned up.
 */
void self_die_like(int wait_status) __attribute__((noreturn));

/* True where the default action of signal @number ends a process (signal(7)). */
bool self_is_deadly(int number);
