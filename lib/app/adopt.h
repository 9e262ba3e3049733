/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>

#include "base/text.h"
#include "sys/pidfile.h"
#include "sys/reaper.h"

/* Daemons that fork away (adopt.c), and which process may be one (adopt_candidate.c). */
struct supervisor;

#define ADOPT_CACHE 32
#define ADOPT_OLDER 4

enum adopt_step {
	ADOPT_OFF,       /* the command itself is supervised */
	ADOPT_LAUNCHER,  /* it runs, and shall fork away */
	ADOPT_WAIT,      /* it exited 0: waiting for the pidfile, or for one descendant to remain */
	ADOPT_DONE,      /* the daemon is supervised */
	ADOPT_TAKE_BACK, /* the daemon ended, an older one lives: waiting for the file to name it */
};

struct adopt {
	enum adopt_step step;
	char *path;     /* absolute, owned; NULL: --forking, or MAINPID alone */
	ptrdiff_t slot; /* of --pidfile or --forking, -1: none */
	usec_t retry_at, deadline_at;
	usec_t retry_usec;
	usec_t settle_at; /* until then, what --forking supervises may be a step towards the daemon
			   */
	int watch_fd;
	struct ev_io watch_io;
	int pidfd; /* of a supervised process that is not our own child */
	struct ev_io pidfd_io;
	pid_t refused_pid;        /* the last that MAINPID= named in vain */
	pid_t file_pid;           /* what the pidfile said when it was last followed */
	pid_t older[ADOPT_OLDER]; /* supervised before, may take over again */
	struct {
		pid_t lost; /* above 0: its pid, and only its parent knows its status */
		int wait_status;
	} last;                        /* ADOPT_TAKE_BACK: how the daemon ended */
	struct pidfile_reading before; /* the start: what an earlier run left */
	int last_problem, last_error;  /* of the newest reading */
	const char *no_daemon;         /* what the process is that it named; NULL: it named none */
	struct {
		pid_t pid;
		int wait_status;
	} cache[ADOPT_CACHE]; /* ended before anybody knew them */
	size_t n_cached;
	bool warned_writable;
};

/* Before the command is started. Returns 0, or a negative errno with the reason in @error. */
int adopt_init(struct supervisor *s, struct text *error);

/* A process that is not the supervised one has ended: it may be named later. */
void adopt_exited(struct supervisor *s, const struct reaped *r);

/*
 * The supervised process has ended, with @wait_status; or (@lost above 0) it was that one, and only
 * its parent knows how it ended.  Returns true where it is not the end: the launcher's, or another
 * one is, or may soon be, supervised instead.
 */
bool adopt_takes_exit(struct supervisor *s, int wait_status, pid_t lost);

/* Nothing is supervised, and nothing more will be: the end is that of the last daemon where an
 * older one might have taken over from it, else @wait_status. */
void adopt_end(struct supervisor *s, int wait_status);

/* MAINPID= of the child: supervises @pid, or says why not. */
void adopt_mainpid(struct supervisor *s, pid_t pid);

/* Does what is due by now; adopt_next_at(): when that is, USEC_INFINITY: at no time. */
void adopt_turn(struct supervisor *s);
usec_t adopt_next_at(const struct supervisor *s);

void adopt_done(struct supervisor *s);

/* What @pid is that cannot be the daemon, or NULL: it is one of the service's living processes. */
const char *adopt_no_daemon(const struct supervisor *s, pid_t pid);

/* Whether we are the one to reap it: then the kernel tells of its end, else only a pidfd does. */
bool adopt_is_own_child(pid_t pid);

/* pidfd_open(2). Returns NULL with *@ret_fd, or (-1) as adopt_no_daemon() what it is. */
const char *adopt_open_pidfd(pid_t pid, int *ret_fd);
