/* SPDX-License-Identifier: MIT */
/*
 * The looks of probes without a service: the same classes, the same prober, the same deadlines as
 * under the supervisor, but no monitor, no schedule, and no child.
 *
 * What a look starts (a check, the prober) leads a process group.  It is killed as the probe itself
 * does it, and afterwards we stay until nothing of these groups is left: being a subreaper, we are
 * who reaps what their leaders leave.  Process 1 of a container often reaps nobody, and a zombie
 * with each look would fill it.  What a check started in a session of its own lives on.
 */
#include "app/trial.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/prober.h"
#include "base/log.h"
#include "base/usec.h"
#include "probe/probe.h"
#include "sys/loop.h"
#include "sys/reaper.h"
#include "sys/self.h"
#include "sys/spawn.h"

/* How long we stay for what was killed. The kernel may keep it longer: a dead file server. */
#define LEAVE_PATIENCE (2 * USEC_PER_SEC)
/* Woken later than the slack, we were stopped or starved: looks get the time back, as from sdwd. So
 * we wake now and then. */
#define SLACK (500 * USEC_PER_MSEC)
#define TICK (200 * USEC_PER_MSEC)
/* A group has no event for its end. */
#define LEAVE_INTERVAL (20 * USEC_PER_MSEC)
/* As where nothing can be looked at. */
#define TRIAL_EXIT_FAULT 3

struct trial {
	struct trial_look *looks;
	size_t n_looks;
	const char *label;
	struct signals *signals;
	int stop_signal; /* the first one that ends us; 0: none came */

	struct ev_loop *loop;
	struct ev_io signals_io;
	struct ev_timer timer;
	struct probe_owner owner;
	struct prober prober;
	pid_t prober_pid; /* the last one */
};

/* What the probes ask of their owner ---------------------------------------------------------- */

static struct trial *trial_of(struct probe_owner *owner) {
	return container_of(owner, struct trial, owner);
}

static struct trial_look *look_of(struct trial *t, const struct probe *p) {
	for (size_t i = 0; i < t->n_looks; i++)
		if (t->looks[i].probe == p)
			return &t->looks[i];
	assert(false);
	return NULL;
}

static bool is_over(const struct trial_look *l) {
	return l->deadline_at == USEC_INFINITY;
}

static void end_look(struct trial_look *l, const struct outcome *o) {
	if (is_over(l))
		return;
	l->outcome = *o;
	l->outcome.latency_usec = usec_sub(usec_now(), l->started_at);
	l->deadline_at = USEC_INFINITY;
}

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	end_look(look_of(trial_of(owner), p), o);
}

static void on_words(struct probe_owner *owner, struct probe *p, const struct notify_msg *m) {
	/* Only PROBE_PUSH has some. */
}

/* As the first look under sdwd has it; but there is no child, and perhaps no label: those are left
 * as we have them. */
static void environment(struct probe_owner *owner, struct probe *p, struct check_environment *ret) {
	const char *label = trial_of(owner)->label;
	struct {
		const char *name, *value;
	} variables[] = {
		{"PROBE", p->conf->name},
		{"STATE", "starting"},
		{"CAUSE", cause_str(CAUSE_OK)},
		{"TEXT", ""},
		{"STREAK", "0"},
		{"LABEL", label},
	};
	size_t n = 0;

	for (; n < ARRAY_SIZE(variables) && variables[n].value; n++) {
		snprintf(ret->lines[n], sizeof(ret->lines[n]), "SDWD_%s=%s", variables[n].name,
			 variables[n].value);
		ret->set[n] = ret->lines[n];
	}
	ret->set[n] = NULL;
}

static void on_helper(struct probe_owner *owner, struct probe *p, pid_t pid) {
	struct trial_look *l = look_of(trial_of(owner), p);

	l->helper_pid = pid;
	l->has_helper = true;
}

/* Where there is no process for it, it ends with us. */
static void on_unclosed(struct probe_owner *owner, struct probe *p, int fd) {
	pid_t pid;

	if (spawn_close(&fd, 1, &pid) == 0)
		on_helper(owner, p, pid);
}

static bool is_helper(struct probe_owner *owner, pid_t pid) {
	/* Only --peer=child asks, and there is no child. */
	return false;
}

static int ask(struct probe_owner *owner, struct prober_call *call, usec_t deadline_at,
	       struct outcome *ret) {
	struct trial *t = trial_of(owner);
	int r = prober_ask(&t->prober, call, deadline_at, ret);

	if (t->prober.pid > 0)
		t->prober_pid = t->prober.pid;
	return r;
}

static bool ask_expire(struct probe_owner *owner, struct prober_call *call,
		       struct prober_reply *ret) {
	return prober_expire(&trial_of(owner)->prober, call, ret);
}

static void ask_cancel(struct probe_owner *owner, struct prober_call *call) {
	prober_cancel(&trial_of(owner)->prober, call);
}

static const struct probe_owner trial_owner = {
	.on_outcome = on_outcome,
	.on_words = on_words,
	.environment = environment,
	.on_helper = on_helper,
	.on_unclosed = on_unclosed,
	.is_helper = is_helper,
	.ask = ask,
	.ask_expire = ask_expire,
	.ask_cancel = ask_cancel,
};

/* Signals and deaths -------------------------------------------------------------------------- */

static void on_reaped(void *context, const struct reaped *r) {
	struct trial *t = context;
	bool is_known = prober_reaped(&t->prober, r);

	for (size_t i = 0; i < t->n_looks && !is_known; i++) {
		struct trial_look *l = &t->looks[i];

		is_known =
			l->probe && l->probe->class->reaped && l->probe->class->reaped(l->probe, r);
		/* Who only closes something for a look is asked after by no kind. */
		if (r->is_gone && l->helper_pid == r->pid)
			l->has_helper = false;
	}
}

static void reap(struct trial *t) {
	while (reaper_run(on_reaped, t) > 0)
		;
}

/* Blocked, it came to us all the same, but whoever started us wants it ignored (nohup(1)). */
static bool is_ignored(int number) {
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void on_signals(struct ev_loop *loop, struct ev_io *w, int events) {
	struct trial *t = container_of(w, struct trial, signals_io);
	struct signalfd_siginfo info;

	if (loop_again(loop, w, events))
		return;
	while (signals_next(t->signals, &info) > 0) {
		int number = (int)info.ssi_signo;

		if (t->stop_signal == 0 && self_is_deadly(number) && !is_ignored(number))
			t->stop_signal = number;
	}
	reap(t);
}

/* The loop ------------------------------------------------------------------------------------ */

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int events) {
	/* It only wakes. */
}

/* Until something happens, or @at has come. */
static void wait_until(struct trial *t, usec_t at) {
	ev_timer_stop(t->loop, &t->timer);
	ev_now_update(t->loop);
	ev_timer_set(&t->timer, (double)usec_sub(at, usec_now()) / 1e6, 0);
	ev_timer_start(t->loop, &t->timer);
	loop_run(t->loop);
}

/* Nothing is left but to say so, and to take away what was started. */
static void on_loop_fault(void *context, const char *what, bool is_fatal) {
	struct trial *t = context;

	if (!is_fatal)
		return;
	for (size_t i = 0; i < t->n_looks; i++)
		if (t->looks[i].has_helper)
			spawn_kill(t->looks[i].helper_pid);
	spawn_kill(t->prober.pid);
	log_set_sink(NULL, NULL);
	log_error("%s", what);
	self_die_like(TRIAL_EXIT_FAULT << 8);
}

static int open_all(struct trial *t, struct text *error) {
	bool needs_prober = false;
	int r = signals_open(t->signals);

	if (r < 0) {
		text_addf(error, "signalfd: %s", strerror(-r));
		return r;
	}
	t->loop = loop_new(on_loop_fault, t);
	if (!t->loop) {
		text_add(error, "cannot make an event loop");
		return -ENOMEM;
	}
	ev_set_priority(&t->timer, EV_MINPRI);
	ev_io_set(&t->signals_io, t->signals->fd, EV_READ);
	ev_set_priority(&t->signals_io, EV_MAXPRI);
	ev_io_start(t->loop, &t->signals_io);
	/* Without it what the groups leave is another's to reap: no reason not to look. */
	(void)self_become_subreaper();

	for (size_t i = 0; i < t->n_looks; i++)
		needs_prober |= conf_needs_prober(t->looks[i].conf) != NULL;
	r = needs_prober ? prober_open(&t->prober, t->loop, error) : 0;
	for (size_t i = 0; i < t->n_looks && r == 0; i++)
		r = probe_new(t->looks[i].conf, &t->owner, t->loop, &t->looks[i].probe, error);
	if (r < 0 && error->length == 0)
		text_add(error, strerror(-r));
	return r;
}

static void start_all(struct trial *t) {
	for (size_t i = 0; i < t->n_looks; i++) {
		struct trial_look *l = &t->looks[i];
		struct outcome o;

		l->started_at = usec_now();
		l->deadline_at = usec_add(l->started_at, l->conf->timeout_usec);
		if (l->probe->class->start(l->probe, &o) == PROBE_DONE)
			end_look(l, &o);
	}
}

/* Ends what is late. Returns when the next one will be; USEC_INFINITY: all are over. */
static usec_t expire(struct trial *t, usec_t now) {
	usec_t next_at = USEC_INFINITY;

	for (size_t i = 0; i < t->n_looks; i++) {
		struct trial_look *l = &t->looks[i];
		struct outcome o;

		if (!is_over(l) && l->deadline_at <= now) {
			l->probe->class->expire(l->probe, &o);
			end_look(l, &o);
		}
	}
	/* Some may have been ended by another's answer. */
	for (size_t i = 0; i < t->n_looks; i++)
		next_at = MIN(next_at, t->looks[i].deadline_at);
	return next_at;
}

static void credit(struct trial *t, usec_t stall_usec) {
	for (size_t i = 0; i < t->n_looks; i++) {
		t->looks[i].started_at = usec_add(t->looks[i].started_at, stall_usec);
		t->looks[i].deadline_at = usec_add(t->looks[i].deadline_at, stall_usec);
	}
}

static void look(struct trial *t) {
	/* When we expect to be here again. */
	usec_t at = usec_now();

	start_all(t);
	for (;;) {
		usec_t now = usec_now(), next_at;

		if (usec_sub(now, at) > SLACK)
			credit(t, usec_sub(now, at));
		prober_turn(&t->prober, now);
		next_at = expire(t, now);
		if (next_at == USEC_INFINITY || t->stop_signal != 0)
			return;
		at = MIN(next_at, prober_next_at(&t->prober));
		at = MIN(at, usec_add(now, TICK));
		wait_until(t, at);
	}
}

/* The end ------------------------------------------------------------------------------------- */

/* Not where it is another user's by now: that was not ours to kill. */
static bool has_group(pid_t pid) {
	return pid > 0 && kill(-pid, 0) == 0;
}

/* Between fork and setsid(2) there is the process, and no group yet. */
static bool is_anything_left(const struct trial *t) {
	bool is_left = t->prober.pid > 0 || has_group(t->prober_pid);

	for (size_t i = 0; i < t->n_looks && !is_left; i++)
		is_left = t->looks[i].has_helper || has_group(t->looks[i].helper_pid);
	return is_left;
}

static void leave(struct trial *t) {
	usec_t until_at = usec_add(usec_now(), LEAVE_PATIENCE);

	for (size_t i = 0; i < t->n_looks; i++)
		if (t->looks[i].probe)
			t->looks[i].probe->class->cancel(t->looks[i].probe);
	prober_end(&t->prober);
	reap(t);
	while (t->loop && is_anything_left(t) && usec_now() < until_at)
		wait_until(t, usec_add(usec_now(), LEAVE_INTERVAL));
}

static void close_all(struct trial *t) {
	for (size_t i = 0; i < t->n_looks; i++) {
		probe_free(t->looks[i].probe);
		t->looks[i].probe = NULL;
	}
	prober_done(&t->prober);
	if (t->loop) {
		ev_io_stop(t->loop, &t->signals_io);
		ev_timer_stop(t->loop, &t->timer);
		ev_loop_destroy(t->loop);
	}
	signals_close(t->signals);
}

/* The outcome says all that is logged. */
static void log_nothing(void *context, const struct log_entry *entry) {
}

int trial_run(struct trial_look *looks, size_t n_looks, const char *label, struct signals *signals,
	      struct text *error) {
	struct trial t = {
		.looks = looks,
		.n_looks = n_looks,
		.label = label,
		.signals = signals,
		.owner = trial_owner,
	};
	int r;

	log_set_sink(log_nothing, NULL);
	prober_init(&t.prober);
	ev_init(&t.timer, on_timer);
	ev_init(&t.signals_io, on_signals);
	for (size_t i = 0; i < n_looks; i++) {
		assert(looks[i].conf->kind->mode == PROBE_PULL);
		looks[i].probe = NULL;
		looks[i].helper_pid = 0;
		looks[i].has_helper = false;
		looks[i].deadline_at = USEC_INFINITY;
	}
	r = open_all(&t, error);
	if (r == 0)
		look(&t);
	leave(&t);
	close_all(&t);
	log_set_sink(NULL, NULL);
	return r < 0 ? r : t.stop_signal;
}
