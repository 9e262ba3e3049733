/* SPDX-License-Identifier: MIT */
/*
 * Daemons that fork away.  The launcher's exit 0 means "look into the pidfile"; accepted is only a
 * pid that is our own descendant, which ends stale files, pid reuse and foreign users' tricks
 * (CVE-2018-16888) with one rule.  A rewritten file that names another live descendant (a binary
 * upgrade) moves supervision; when that one ends, a living older one that the file names again
 * takes it back.  MAINPID= of the child moves supervision in the same way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/fd.h"
#include "sys/pidfile.h"
#include "sys/proc.h"

#define RETRY_FIRST (50 * USEC_PER_MSEC)
#define RETRY_MAX (500 * USEC_PER_MSEC)
/* --forking: so long may processes between launcher and daemon take to end. */
#define SETTLE USEC_PER_SEC
/* After the daemon's end, so long may an older one take to write its file again. */
#define TAKE_BACK (2 * USEC_PER_SEC)

static void unwatch_pid(struct supervisor *s) {
	if (ev_is_active(&s->adopt.pidfd_io))
		ev_io_stop(s->loop, &s->adopt.pidfd_io);
	s->adopt.pidfd = fd_close(s->adopt.pidfd);
	s->child.pidfd = 0;
}

static void on_pidfd(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, adopt.pidfd_io);
	pid_t pid = s->child.pid;

	if (loop_again(loop, w, events))
		return;
	s->now = usec_now();
	if (pid <= 0 || adopt_is_own_child(pid)) {
		unwatch_pid(s);
		return; /* the reaper knows its status */
	}
	/* With its pidfd: what they give cause to must not signal another one by its number. */
	reap_last_words(s);
	if (s->child.pid != pid)
		return; /* it named another one (MAINPID=) */
	unwatch_pid(s);
	s->child.pid = 0;
	if (!adopt_takes_exit(s, 0, pid))
		ending_child_lost(s, pid);
}

/* The one place where another process becomes the supervised one. Returns NULL, or as
 * adopt_no_daemon(): nothing has changed. */
static const char *supervise(struct supervisor *s, pid_t pid, const char *how) {
	struct adopt *a = &s->adopt;
	struct proc_stat stat;
	int pidfd = -1;
	const char *problem = adopt_is_own_child(pid) ? NULL : adopt_open_pidfd(pid, &pidfd);

	if (problem)
		return problem;
	unwatch_pid(s);
	if (s->child.pid > 0 && s->child.pid != pid) {
		memmove(a->older + 1, a->older, sizeof(a->older) - sizeof(a->older[0]));
		a->older[0] = s->child.pid;
	}
	s->child.pid = pid;
	s->child.pgid = proc_read_stat(pid, &stat) == 0 ? stat.group : 0;
	/* The group of sdwd itself must never be signalled. */
	if (s->child.pgid == getpgrp())
		s->child.pgid = 0;
	s->is_child_stopped = false;
	s->proc_look_at = 0;
	if (pidfd >= 0) {
		a->pidfd = s->child.pidfd = pidfd;
		ev_io_init(&a->pidfd_io, on_pidfd, pidfd, EV_READ);
		ev_io_start(s->loop, &a->pidfd_io);
	}
	if (a->step != ADOPT_OFF) {
		a->step = ADOPT_DONE;
		a->retry_at = a->deadline_at = USEC_INFINITY;
	}
	message_adopted(s, pid, how);
	looks_process(s);
	status_changed(s);
	return NULL;
}

static void fail(struct supervisor *s, const char *reason) {
	log_error("%s", reason);
	s->adopt.retry_at = s->adopt.deadline_at = USEC_INFINITY;
	snprintf(s->ending.reason, sizeof(s->ending.reason), "%s", reason);
	status_send_error(s, ESRCH, reason);
	s->ending.wait_status = EXIT_SDWD << 8;
	s->ending.has_status = s->ending.is_ours = true;
	ending_child_gone(s, s->ending.wait_status);
}

/* A process that ended before its file was read: its status was kept. */
static bool take_cached(struct supervisor *s, pid_t pid) {
	for (size_t i = 0; i < s->adopt.n_cached; i++)
		if (s->adopt.cache[i].pid == pid) {
			log_notice("pid %d, named by %s, has ended already", pid, s->adopt.path);
			s->adopt.retry_at = s->adopt.deadline_at = USEC_INFINITY;
			ending_child_gone(s, s->adopt.cache[i].wait_status);
			return true;
		}
	return false;
}

static void read_pidfile(struct supervisor *s) {
	struct adopt *a = &s->adopt;
	struct pidfile_reading reading;

	a->no_daemon = NULL;
	pidfile_read(a->path, &reading);
	if (pidfile_is_same(&reading, &a->before))
		reading.problem = PIDFILE_OLD;
	a->last_problem = (int)reading.problem;
	a->last_error = reading.error;
	if (reading.problem != PIDFILE_OK)
		return;
	if (reading.pid == s->child.pid) {
		a->file_pid = reading.pid;
		return;
	}
	/* MAINPID= came after the file, which says nothing new. */
	if (a->step == ADOPT_DONE && reading.pid == a->file_pid)
		return;
	if (a->step == ADOPT_WAIT && take_cached(s, reading.pid))
		return;
	a->no_daemon = adopt_no_daemon(s, reading.pid);
	if (a->no_daemon)
		return;
	if (reading.is_world_writable && !a->warned_writable) {
		a->warned_writable = true;
		log_warning("--pidfile=%s: everybody may write to it", a->path);
	}
	a->no_daemon = supervise(s, reading.pid, a->path);
	if (!a->no_daemon)
		a->file_pid = reading.pid;
}

/* How many processes there are that may be the daemon; *@ret is one of them. Or a negative errno:
 * there are some, and /proc does not show them. */
static ptrdiff_t find_remaining(const struct supervisor *s, pid_t *ret) {
	pid_t pids[64];
	ptrdiff_t n = reaper_has_children() ? proc_descendants(pids, ARRAY_SIZE(pids)) : 0;
	ptrdiff_t count = MIN(n, 0);

	for (ptrdiff_t i = 0; i < MIN(n, (ptrdiff_t)ARRAY_SIZE(pids)); i++)
		if (adopt_is_own_child(pids[i]) &&
		    helpers_have(&s->helpers, pids[i], s->now) == 0) {
			*ret = pids[i];
			count++;
		}
	return count;
}

static void guess(struct supervisor *s) {
	pid_t found = 0;
	ptrdiff_t count = find_remaining(s, &found);

	if (count == 1) {
		(void)supervise(s, found, "the one process that remained");
		return;
	}
	if (s->now < s->adopt.deadline_at)
		return;
	fail(s, count < 0
			? "--forking: /proc does not show what remained after the command's exit; "
			  "--pidfile=PATH says which process is the daemon"
		: count == 0
			? "--forking: no process remained after the command's exit; if the daemon "
			  "has a pidfile, --pidfile=PATH finds it"
			: "--forking: several processes remained after the command's exit; "
			  "--pidfile=PATH says which one is the daemon");
}

static void on_folder(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, adopt.watch_io);

	if (loop_again(loop, w, events))
		return;
	s->now = usec_now();
	pidfile_watch_drain(s->adopt.watch_fd);
	if (s->adopt.step >= ADOPT_WAIT && supervisor_has_started(s))
		read_pidfile(s);
}

static void watch_folder(struct supervisor *s) {
	struct adopt *a = &s->adopt;

	if (!a->path || a->watch_fd >= 0)
		return;
	a->watch_fd = pidfile_watch(a->path);
	if (a->watch_fd < 0)
		return;
	ev_io_init(&a->watch_io, on_folder, a->watch_fd, EV_READ);
	ev_io_start(s->loop, &a->watch_io);
}

int adopt_init(struct supervisor *s, struct text *error) {
	struct adopt *a = &s->adopt;

	ev_io_init(&a->watch_io, on_folder, -1, EV_READ);
	ev_io_init(&a->pidfd_io, on_pidfd, -1, EV_READ);
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct probe_conf *c = s->slots[i].probe->conf;
		char cwd[4096] = "";

		if (c->kind->mode != PROBE_STATE)
			continue;
		a->slot = (ptrdiff_t)i;
		a->step = ADOPT_LAUNCHER;
		if (!c->target)
			continue;
		if (c->target[0] != '/' && !getcwd(cwd, sizeof(cwd))) {
			text_addf(error, "--pidfile=%s: the working folder has no path: %s",
				  c->target, strerror(errno));
			return -EINVAL;
		}
		if (asprintf(&a->path, "%s%s%s", cwd, cwd[0] ? "/" : "", c->target) < 0) {
			a->path = NULL;
			return -ENOMEM;
		}
		pidfile_read(a->path, &a->before);
	}
	return 0;
}

void adopt_exited(struct supervisor *s, const struct reaped *r) {
	struct adopt *a = &s->adopt;

	if (!r->is_gone)
		return;
	for (size_t i = 0; i < ADOPT_OLDER; i++)
		if (a->older[i] == r->pid)
			a->older[i] = 0;
	if (a->step != ADOPT_LAUNCHER && a->step != ADOPT_WAIT)
		return;
	if (a->n_cached == ADOPT_CACHE) {
		memmove(a->cache, a->cache + 1, sizeof(a->cache) - sizeof(a->cache[0]));
		a->n_cached--;
	}
	a->cache[a->n_cached].pid = r->pid;
	a->cache[a->n_cached++].wait_status = r->wait_status;
}

static bool has_living_older(struct supervisor *s) {
	for (size_t i = 0; i < ADOPT_OLDER; i++)
		if (s->adopt.older[i] > 0 && !adopt_no_daemon(s, s->adopt.older[i]))
			return true;
	return false;
}

bool adopt_takes_exit(struct supervisor *s, int wait_status, pid_t lost) {
	struct adopt *a = &s->adopt;
	pid_t other;

	unwatch_pid(s);
	if (s->life >= LIFE_STOPPING)
		return false;
	/* --forking: what remained may have been a step of daemon(7) on the way to the daemon. */
	if (a->step == ADOPT_LAUNCHER ||
	    (a->step == ADOPT_DONE && s->now < a->settle_at && !a->path && wait_status == 0 &&
	     find_remaining(s, &other) > 0)) {
		if (wait_status != 0)
			return false;
		a->settle_at = usec_add(s->now, SETTLE);
		a->step = ADOPT_WAIT;
		a->retry_usec = RETRY_FIRST;
		a->retry_at = s->now;
		a->deadline_at = usec_add(s->now, a->path ? s->conf->pidfile_timeout_usec : SETTLE);
		watch_folder(s);
		status_changed(s);
		return true;
	}
	/* It may name another one by now. */
	if (a->path)
		read_pidfile(s);
	if (s->child.pid > 0)
		return true;
	if (a->path && has_living_older(s)) {
		/* Known now: the older one takes it back when the file names it. */
		a->step = ADOPT_TAKE_BACK;
		a->retry_usec = RETRY_FIRST;
		a->retry_at = s->now;
		a->deadline_at = usec_add(s->now, TAKE_BACK);
		a->last.wait_status = wait_status;
		a->last.lost = lost;
		return true;
	}
	return false;
}

void adopt_mainpid(struct supervisor *s, pid_t pid) {
	const char *what;

	if (pid == s->child.pid || s->life >= LIFE_STOPPING)
		return;
	what = pid == getpid() ? "sdwd itself" : adopt_no_daemon(s, pid);
	if (!what)
		what = supervise(s, pid, "MAINPID= of the child");
	/* Said once: who names it does so often. */
	if (!what || pid == s->adopt.refused_pid)
		return;
	s->adopt.refused_pid = pid;
	log_warning("MAINPID=%d of the child names %s: ignored", pid, what);
}

void adopt_end(struct supervisor *s, int wait_status) {
	struct adopt *a = &s->adopt;

	a->retry_at = a->deadline_at = USEC_INFINITY;
	if (a->step != ADOPT_TAKE_BACK)
		ending_child_gone(s, wait_status);
	else if (a->last.lost > 0)
		ending_child_lost(s, a->last.lost);
	else
		ending_child_gone(s, a->last.wait_status);
}

static void give_up(struct supervisor *s) {
	char reason[LOG_MESSAGE_MAX], limit[USEC_STR_MAX];
	struct text t = TEXT_OVER(reason);

	if (s->adopt.step == ADOPT_TAKE_BACK) {
		adopt_end(s, 0);
		return;
	}
	text_addf(&t, "--pidfile=%s names no daemon within %s (--pidfile-timeout): %s%s",
		  s->adopt.path, usec_str(limit, s->conf->pidfile_timeout_usec),
		  s->adopt.no_daemon ? "it names " : "",
		  s->adopt.no_daemon
			  ? s->adopt.no_daemon
			  : pidfile_problem_str((enum pidfile_problem)s->adopt.last_problem));
	if (s->adopt.last_problem == PIDFILE_UNREADABLE)
		text_addf(&t, ": %s", strerror(s->adopt.last_error));
	fail(s, reason);
}

void adopt_turn(struct supervisor *s) {
	struct adopt *a = &s->adopt;

	if (!supervisor_has_started(s) || MIN(a->retry_at, a->deadline_at) > s->now)
		return;
	a->retry_at = usec_add(s->now, a->retry_usec);
	a->retry_usec = MIN(a->retry_usec * 2, RETRY_MAX);
	watch_folder(s);
	if (!a->path) {
		guess(s);
		return;
	}
	read_pidfile(s);
	if ((a->step == ADOPT_WAIT || a->step == ADOPT_TAKE_BACK) && a->deadline_at <= s->now)
		give_up(s);
}

usec_t adopt_next_at(const struct supervisor *s) {
	return supervisor_has_started(s) ? MIN(s->adopt.retry_at, s->adopt.deadline_at)
					 : USEC_INFINITY;
}

void adopt_done(struct supervisor *s) {
	struct adopt *a = &s->adopt;

	unwatch_pid(s);
	if (ev_is_active(&a->watch_io))
		ev_io_stop(s->loop, &a->watch_io);
	a->watch_fd = fd_close(a->watch_fd);
	free(a->path);
	a->path = NULL;
}
