/* SPDX-License-Identifier: MIT */
/*
 * Not two signals.  With KillMode=control-group, systemd's default, the manager sends its stop
 * signals to sdwd and to the child, and many programs take a second SIGTERM as "hurry"
 * (systemd.kill(5)).  So one that the manager sent is held back where it really stops the unit;
 * `systemctl kill
 * --kill-whom=main` sends the same signal from the same process to sdwd alone, and only the unit's
 * SubState tells the two apart.  Both questions are asked by a process of their own.  What is not
 * known is forwarded: one signal too many is better than none.
 *
 * STOPPING=1 would change that state, and waits for the answer.
 * While the state is asked for, later signals wait behind the held one, so that they keep their
 * order.
 */
#include <errno.h>
#include <string.h>

#include "app/internal.h"

#define ASK_KILLING_MAX (5 * USEC_PER_SEC)
#define ASK_STOPPING_MAX (200 * USEC_PER_MSEC)

static bool is_asking(const struct supervisor *s) {
	return s->hold.query.fd >= 0;
}

static void end_query(struct supervisor *s) {
	if (!is_asking(s))
		return;
	ev_io_stop(s->loop, &s->hold.io);
	unit_query_stop(&s->hold.query);
	s->hold.at = USEC_INFINITY;
}

/* kill(2) by the manager; from outside of our PID namespace the sender is 0. */
static bool is_of_manager(const struct supervisor *s, const struct signalfd_siginfo *info) {
	return info->ssi_code == SI_USER &&
	       (info->ssi_pid == (uint32_t)s->manager_pid || info->ssi_pid <= 1);
}

/*
 * The manager sends a signal as it enters a state.  STOPPING=1 makes it enter the one of a stop
 * without any: who signals after that is somebody else.
 */
static bool may_be_double(const struct supervisor *s, const struct signalfd_siginfo *info) {
	const struct hold *h = &s->hold;
	int number = (int)info->ssi_signo;

	return h->is_both && !conf_has_signal(h->held_back, number) && is_of_manager(s, info) &&
	       (conf_has_signal(h->watchdog_signal, number) ||
		(conf_has_signal(h->stop_signals, number) && !s->has_said_stopping));
}

static bool is_double(const struct supervisor *s, const struct signalfd_siginfo *info,
		      const struct unit_answer *a) {
	int number = (int)info->ssi_signo;

	return a->is_control_group && may_be_double(s, info) &&
	       ((a->is_stopping && conf_has_signal(s->hold.stop_signals, number)) ||
		(a->is_aborting && conf_has_signal(s->hold.watchdog_signal, number)));
}

static void hold_back(struct supervisor *s, const struct signalfd_siginfo *info) {
	char name[SIGNAL_STR_MAX];

	s->hold.held_back |= conf_signal_bit((int)info->ssi_signo);
	log_info("%s held back: systemd sends it to the child too (--forward-stop=%s)",
		 signal_str(name, (int)info->ssi_signo),
		 s->conf->forward_stop == FORWARD_STOP_NEVER ? "never"
							     : "auto, KillMode=control-group");
}

/* The answer, or that there is none, is known: what waits goes its way. */
static void release(struct supervisor *s, const struct unit_answer *a) {
	struct hold *h = &s->hold;
	size_t n = h->n_waiting;

	h->n_waiting = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_double(s, &h->waiting[i], a))
			hold_back(s, &h->waiting[i]);
		else
			forward_pass_on(s, &h->waiting[i]);
	}
	forward_tell_stop(s);
}

static void learn(struct supervisor *s, const struct unit_answer *a) {
	struct hold *h = &s->hold;
	const int stops[] = {a->kill_signal, a->restart_kill_signal};

	h->is_known = true;
	if (s->conf->forward_stop == FORWARD_STOP_AUTO)
		h->is_both = a->is_control_group;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
		if (stops[i] > 0 && stops[i] <= SIGNAL_MAX)
			h->stop_signals |= conf_signal_bit(stops[i]);
	if (a->watchdog_signal > 0 && a->watchdog_signal <= SIGNAL_MAX)
		h->watchdog_signal = conf_signal_bit(a->watchdog_signal);
	/* A SIGHUP may also be a reload. */
	if (!conf_find_given(&s->conf->given, "stop-signal"))
		s->stop_signals |=
			(h->stop_signals | h->watchdog_signal) & ~conf_signal_bit(SIGHUP);
}

/* No answer, and READY=1 came while it was waited for. */
static void ask_again(struct supervisor *s) {
	if (!s->hold.is_owed)
		return;
	s->hold.is_owed = false;
	hold_begin(s);
}

static void on_answer(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, hold.io);
	struct unit_answer answer = {0};
	int r;

	if (loop_again(loop, w, events))
		return;
	r = unit_query_read(&s->hold.query, &answer);
	if (r == 0)
		return;
	s->now = usec_now();
	end_query(s);
	if (r < 0)
		log_debug("systemd does not tell about this unit: %s", strerror(-r));
	if (s->hold.question == UNIT_STOPPING)
		release(s, &answer);
	else if (r > 0)
		learn(s, &answer);
	else
		ask_again(s);
}

static bool begin_query(struct supervisor *s, enum unit_question question, usec_t most) {
	struct hold *h = &s->hold;
	int r = unit_query_start(&h->query, question, s->setup->env.unit);

	if (r < 0) {
		log_debug("cannot ask systemd about this unit: %s", strerror(-r));
		return false;
	}
	helpers_add(&s->helpers, h->query.pid);
	h->question = question;
	h->at = usec_add(s->now, most);
	ev_io_init(&h->io, on_answer, h->query.fd, EV_READ);
	ev_set_priority(&h->io, EV_MAXPRI);
	ev_io_start(s->loop, &h->io);
	return true;
}

void hold_begin(struct supervisor *s) {
	if (s->conf->forward_stop == FORWARD_STOP_NEVER && !s->hold.is_both) {
		s->hold.is_both = true;
		s->hold.stop_signals = s->stop_signals;
	}
	/* The command may have ended before its exec was heard of: then hold_done() came first. */
	if (!supervisor_has_started(s) || !s->setup->env.unit || s->hold.is_known)
		return;
	if (is_asking(s))
		s->hold.is_owed = true;
	else
		(void)begin_query(s, UNIT_KILLING, ASK_KILLING_MAX);
}

bool hold_takes(struct supervisor *s, const struct signalfd_siginfo *info) {
	struct hold *h = &s->hold;

	if (h->n_waiting == 0) {
		if (!may_be_double(s, info))
			return false;
		if (s->conf->forward_stop == FORWARD_STOP_NEVER) {
			hold_back(s, info);
			forward_tell_stop(s);
			return true;
		}
		s->now = usec_now();
		if (!begin_query(s, UNIT_STOPPING, ASK_STOPPING_MAX))
			return false;
	} else if (h->n_waiting == HOLD_MAX) {
		end_query(s);
		release(s, &(struct unit_answer){0});
		return false;
	}
	h->waiting[h->n_waiting++] = *info;
	return true;
}

bool hold_reaped(struct supervisor *s, const struct reaped *r) {
	if (s->hold.query.pid == 0 || r->pid != s->hold.query.pid)
		return false;
	if (r->is_gone)
		s->hold.query.pid = 0;
	return true;
}

void hold_turn(struct supervisor *s) {
	if (s->hold.at > s->now)
		return;
	end_query(s);
	if (s->hold.question == UNIT_STOPPING) {
		log_info("no answer from systemd in time whether it stops this unit: its signals "
			 "are forwarded");
		release(s, &(struct unit_answer){0});
	} else {
		ask_again(s);
	}
}

void hold_done(struct supervisor *s) {
	end_query(s);
	s->hold.n_waiting = 0;
}
