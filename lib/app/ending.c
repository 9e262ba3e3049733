/* SPDX-License-Identifier: MIT */
/*
 * The end: of an unhealthy child (our own decision), of what a child leaves behind, and our own
 * exit status.  Nothing here ends sdwd before the child is gone: under KillMode=mixed the rest of
 * the unit is killed the moment that sdwd ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/internal.h"
#include "sys/proc.h"

#define ORPHANS_MAX 1024
/* How often SIGKILL is repeated, for those that were just being born and for the next ORPHANS_MAX:
 * until nobody ends of it any more, or who forks without end has won. */
#define KILL_AGAIN (200 * USEC_PER_MSEC)
#define KILL_MOST (10 * USEC_PER_SEC)
/* Between two looks where no loop tells of an end. */
#define AT_ONCE_USEC 10000
/* On a loaded machine even a killed process waits for its turn. */
#define KILL_IN_VAIN (5 * USEC_PER_SEC)
#define HELPERS_WAIT USEC_PER_SEC

/*
 * What is left below us, without helpers: those were killed by whoever started them, and are no
 * orphans. *@ret_has_helpers: some of them are still dying.
 */
static ptrdiff_t find_orphans(const struct supervisor *s, pid_t pids[static ORPHANS_MAX],
			      bool *ret_has_helpers) {
	ptrdiff_t n = reaper_has_children() ? proc_descendants(pids, ORPHANS_MAX) : 0, kept = 0;

	*ret_has_helpers = false;
	/* A child that is systemd's own is there to the end: nobody could say what else is left. */
	if (n < 0)
		return proc_has_unlisted() ? 0 : n;
	n = MIN(n, ORPHANS_MAX);
	for (ptrdiff_t i = 0; i < n; i++) {
		int r = helpers_have(&s->helpers, pids[i], s->now);

		if (r > 0)
			*ret_has_helpers = true;
		else if (r == 0)
			pids[kept++] = pids[i];
	}
	return kept;
}

static void kill_everything(struct supervisor *s) {
	pid_t pids[ORPHANS_MAX];
	bool has_helpers;
	ptrdiff_t n;

	/* The group first: without its process it could be another one. */
	if (s->child.pid > 0) {
		(void)child_signal(&s->child, SIGKILL, true, false, (union sigval){0});
		(void)child_signal(&s->child, SIGKILL, false, false, (union sigval){0});
	}
	n = find_orphans(s, pids, &has_helpers);
	for (ptrdiff_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
}

void ending_kill_child(struct supervisor *s, const char *reason) {
	char name[SIGNAL_STR_MAX];
	int r;

	s->ending.is_own_decision = true;
	if (s->life < LIFE_STOPPING)
		supervisor_event(s, LIFE_STOP_OWN);
	status_send_stopping(s, reason);
	if (s->child.pid <= 0) {
		ending_collect(s);
		return;
	}
	log_notice("ending pid %d with %s", s->child.pid, signal_str(name, s->conf->kill_signal));
	r = child_signal(&s->child, s->conf->kill_signal, s->conf->signal_group, false,
			 (union sigval){0});
	if (r < 0 && r != -ESRCH)
		log_warning("cannot send %s to pid %d: %s", name, s->child.pid, strerror(-r));
	(void)child_signal(&s->child, SIGCONT, s->conf->signal_group, false, (union sigval){0});
	s->ending.step = END_TERM;
	s->ending.at = usec_add(s->now, s->conf->kill_timeout_usec);
}

static bool is_decided(const struct supervisor *s) {
	return s->ending.is_own_decision || s->ending.was_decided;
}

/* To end it was decided at the edge; a stop that began since comes before that. */
static void note_decision(struct supervisor *s) {
	if (s->monitor.is_latched && s->mode == ON_UNHEALTHY_KILL && s->life < LIFE_STOPPING)
		s->ending.was_decided = true;
}

static void end_child(struct supervisor *s, int wait_status) {
	s->ending.wait_status = wait_status;
	s->ending.has_status = true;
	tty_take_back(&s->tty);
	supervisor_event(s, LIFE_CHILD_GONE);
}

void ending_child_gone(struct supervisor *s, int wait_status) {
	note_decision(s);
	if (s->ending.has_status)
		wait_status = s->ending.wait_status;
	else
		message_child_gone(s, wait_status);
	end_child(s, wait_status);
}

void ending_child_lost(struct supervisor *s, pid_t pid) {
	note_decision(s);
	message_child_lost(s, pid, is_decided(s));
	end_child(s, 1 << 8);
}

static bool was_told(const struct ending *e, pid_t pid) {
	for (size_t i = 0; i < e->n_told; i++)
		if (e->told[i] == pid)
			return true;
	return false;
}

static void remember_told(struct ending *e, pid_t pid) {
	if (e->n_told == e->size_told) {
		size_t size = e->size_told * 2 + 16;
		pid_t *told = reallocarray(e->told, size, sizeof(*told));

		if (!told)
			return;
		e->told = told;
		e->size_told = size;
	}
	e->told[e->n_told++] = pid;
}

/* So many are named: who waits for their end looks them up. */
#define ORPHANS_NAMED 8

static void log_orphans(const struct supervisor *s, const pid_t *pids, ptrdiff_t n) {
	char names[16 * ORPHANS_NAMED];
	struct text t = TEXT_OVER(names);

	for (ptrdiff_t i = 0; i < MIN(n, ORPHANS_NAMED); i++)
		text_addf(&t, "%s%d", i > 0 ? ", " : "", pids[i]);
	log_info("%td process%s left behind, %s: pid %s%s", n, n == 1 ? "" : "es",
		 s->conf->orphans == ORPHANS_TERM ? "got SIGTERM" : "waiting (--orphans=wait)",
		 names, n > ORPHANS_NAMED ? ", ..." : "");
}

/* SIGTERM once for each orphan; new ones appear as their parents end. */
static ptrdiff_t tell_orphans(struct supervisor *s, bool is_first, bool *ret_has_helpers) {
	pid_t pids[ORPHANS_MAX];
	ptrdiff_t n = find_orphans(s, pids, ret_has_helpers);

	if (s->conf->orphans == ORPHANS_LEAVE)
		return 0;
	for (ptrdiff_t i = 0; i < n && s->conf->orphans == ORPHANS_TERM; i++) {
		if (was_told(&s->ending, pids[i]))
			continue;
		remember_told(&s->ending, pids[i]);
		(void)kill(pids[i], SIGTERM);
		(void)kill(pids[i], SIGCONT);
	}
	if (is_first && n > 0)
		log_orphans(s, pids, n);
	return n;
}

/* Returns how many there are, whether or not it reached them. */
static ptrdiff_t signal_orphans(struct supervisor *s, int number) {
	pid_t pids[ORPHANS_MAX], failed = 0;
	char name[SIGNAL_STR_MAX];
	bool has_helpers;
	ptrdiff_t n = find_orphans(s, pids, &has_helpers), n_sent = 0, n_failed = 0;
	int error = 0;

	signal_str(name, number);
	for (ptrdiff_t i = 0; i < n; i++) {
		if (kill(pids[i], number) == 0) {
			n_sent++;
		} else if (errno != ESRCH) {
			error = errno;
			failed = pids[i];
			n_failed++;
		}
	}
	if (n_sent > 0)
		log_info("%s: forwarded to what was left behind (--orphans=wait)", name);
	if (n_failed > 0)
		log_warning("cannot forward %s to %td process%s left behind: pid %d%s: %s", name,
			    n_failed, n_failed == 1 ? "" : "es", failed,
			    n_failed == 1 ? "" : ", ...", strerror(error));
	return n;
}

bool ending_pass_on(struct supervisor *s, int number) {
	int wait_status;

	/* Before a stop the end of a child may be that of a launcher, with a daemon behind it. */
	if (s->conf->orphans != ORPHANS_WAIT || s->life < LIFE_STOPPING)
		return false;
	if (s->child.pid > 0 && !reaper_has_ended(s->child.pid, &wait_status))
		return false;
	if (s->ending.step == END_ORPHANS)
		return signal_orphans(s, number) > 0;
	if (s->ending.step > END_ORPHANS)
		return false;
	s->ending.owed |= conf_signal_bit(number);
	return true;
}

static void pay_owed(struct supervisor *s) {
	for (int number = 1; number <= SIGNAL_MAX; number++)
		if (conf_has_signal(s->ending.owed, number))
			(void)signal_orphans(s, number);
	s->ending.owed = 0;
}

static void finish(struct supervisor *s) {
	s->ending.step = END_NONE;
	s->ending.at = USEC_INFINITY;
	supervisor_event(s, LIFE_ALL_GONE);
}

/*
 * No orphan is left. Helpers have SIGKILL already: a moment, so that no zombie is left to others,
 * and far less than what the last ping promised.
 */
static void finish_helpers(struct supervisor *s, bool has_helpers) {
	if (!has_helpers) {
		finish(s);
	} else if (s->ending.step != END_HELPERS) {
		s->ending.step = END_HELPERS;
		s->ending.at = usec_add(s->now, MIN(HELPERS_WAIT, s->watchdog_usec / 4));
	}
}

/*
 * The reaper tells of the child's end before it takes the status. At the end of the turn that is
 * done, and where we have no children then there are no orphans to look for in /proc.
 */
void ending_collect(struct supervisor *s) {
	hold_done(s);
	prober_end(&s->prober);
	helpers_kill(&s->helpers);
	s->ending.step = END_COLLECT;
	s->ending.at = s->now;
}

static void collect(struct supervisor *s) {
	bool has_helpers;
	ptrdiff_t n = tell_orphans(s, true, &has_helpers);

	if (n == 0) {
		if (proc_has_unlisted())
			log_notice("without /proc nothing tells what the service leaves from "
				   "systemd's (sd-pam): systemd ends it");
		finish_helpers(s, has_helpers);
		return;
	}
	if (n < 0)
		log_warning("cannot look for processes left behind: %s", strerror((int)-n));
	/* The watchdog still runs: STOPPING=1 keeps it from turning a clean end into a kill. */
	if (!s->ending.is_own_decision)
		status_send_stopping(s, "waiting for processes left behind");
	s->ending.step = END_ORPHANS;
	s->ending.at = s->conf->orphans == ORPHANS_WAIT
			       ? USEC_INFINITY
			       : usec_add(s->now, s->conf->orphan_timeout_usec);
	pay_owed(s);
}

static void kill_orphans(struct supervisor *s) {
	struct ending *e = &s->ending;

	if (e->n_gone > 0)
		e->in_vain_at = usec_add(s->now, KILL_IN_VAIN);
	e->n_gone = 0;
	if (s->now >= MIN(e->in_vain_at, e->kill_until_at)) {
		log_warning("processes left behind outlive SIGKILL: sdwd ends without them");
		finish(s);
		return;
	}
	kill_everything(s);
	e->at = usec_add(s->now, KILL_AGAIN);
}

void ending_turn(struct supervisor *s) {
	struct ending *e = &s->ending;
	char limit[USEC_STR_MAX];
	bool has_helpers;

	/* Stopped while nothing was supervised: between a launcher's end and its daemon's pidfile,
	 * or where an older daemon may take over. */
	if (s->life == LIFE_STOPPING && s->child.pid <= 0 && e->step == END_NONE && !e->has_status)
		adopt_end(s, e->stop_signal);
	/* Whenever that is due: a stall may have moved it. */
	if (e->step == END_COLLECT) {
		collect(s);
		return;
	}
	if (e->step >= END_ORPHANS && tell_orphans(s, false, &has_helpers) == 0)
		finish_helpers(s, has_helpers);
	if (e->at > s->now)
		return;
	switch (e->step) {
	case END_NONE:
	case END_COLLECT:
		e->at = USEC_INFINITY;
		break;
	case END_TERM:
		log_warning("pid %d did not end within --kill-timeout=%s: SIGKILL", s->child.pid,
			    usec_str(limit, s->conf->kill_timeout_usec));
		e->step = END_KILL;
		__attribute__((fallthrough));
	case END_KILL:
		kill_everything(s);
		e->at = usec_add(s->now, KILL_AGAIN);
		break;
	case END_ORPHANS:
		log_warning("processes left behind did not end within --orphan-timeout=%s: SIGKILL",
			    usec_str(limit, s->conf->orphan_timeout_usec));
		e->step = END_ORPHANS_KILL;
		e->kill_until_at = usec_add(s->now, KILL_MOST);
		e->n_gone = 1;
		__attribute__((fallthrough));
	case END_ORPHANS_KILL:
		kill_orphans(s);
		break;
	case END_HELPERS:
		if (prober_left(&s->prober) > 0)
			log_warning("sdwd-prober (pid %d) outlives SIGKILL: sdwd ends without it",
				    prober_left(&s->prober));
		else
			log_warning("a check or hook outlives SIGKILL: sdwd ends without it");
		finish(s);
		break;
	}
}

/* Takes what has ended. Whether the child is still there. */
static bool reap_at_once(const struct supervisor *s) {
	siginfo_t info = {0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid > 0)
		info.si_pid = 0;
	return s->child.pid > 0 && kill(s->child.pid, 0) == 0;
}

void ending_at_once(struct supervisor *s, const char *reason) {
	usec_t until_at = usec_add(usec_now(), s->conf->kill_timeout_usec);

	status_send_stopping(s, reason);
	helpers_kill(&s->helpers);
	if (s->child.pid > 0) {
		(void)child_signal(&s->child, s->conf->kill_signal, s->conf->signal_group, false,
				   (union sigval){0});
		(void)child_signal(&s->child, SIGCONT, s->conf->signal_group, false,
				   (union sigval){0});
	}
	while (reap_at_once(s) && usec_now() < until_at)
		(void)usleep(AT_ONCE_USEC);
	kill_everything(s);
	(void)reap_at_once(s);
}

/* --exit-map and --exit-status; a signal counts as 128 + n for the map. */
static int report_as(const struct conf *c, int wait_status) {
	int code =
		WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);

	if (code <= 255 && c->exit_map[code] >= 0)
		return c->exit_map[code] << 8;
	if (WIFSIGNALED(wait_status) && c->exit_mode == EXIT_SHELL)
		return (code & 0xff) << 8;
	return wait_status;
}

struct supervisor_end ending_result(const struct supervisor *s) {
	if (is_decided(s))
		return SUPERVISOR_EXIT(EXIT_UNHEALTHY);
	if (!s->ending.has_status)
		return SUPERVISOR_EXIT(EXIT_SDWD);
	if (s->ending.is_ours)
		return (struct supervisor_end){.wait_status = s->ending.wait_status};
	return (struct supervisor_end){.wait_status = report_as(s->conf, s->ending.wait_status)};
}

void ending_done(struct supervisor *s) {
	free(s->ending.told);
	s->ending.told = NULL;
}
