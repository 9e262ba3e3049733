/* SPDX-License-Identifier: MIT */
/* Signals in: every one but SIGCHLD goes on to the child; the --stop-signal ones begin a stop as
 * well. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/internal.h"

/* One turn passes on so many at most, or who queues signals faster than that would hold the loop.
 * The kernel hands out those of lower numbers first: stop signals wait behind no queue. */
#define TURN_MAX 64
/* After a read of the signals that failed; and how often it may, in a row. */
#define FAULT_PAUSE (100 * USEC_PER_MSEC)
#define FAULTS_MAX 100

/* Only now, where the signal goes its way: STOPPING=1 changes the unit's state, which hold.c asks
 * for. */
void forward_tell_stop(struct supervisor *s) {
	char name[SIGNAL_STR_MAX];

	if (!s->owes_stopping)
		return;
	s->owes_stopping = false;
	status_send_stopping(s, signal_str(name, s->ending.stop_signal));
}

void forward_pass_on(struct supervisor *s, const struct signalfd_siginfo *info) {
	int number = (int)info->ssi_signo, as = s->conf->signal_map[number], r;
	union sigval value = {.sival_ptr = (void *)(uintptr_t)info->ssi_ptr};
	char name[SIGNAL_STR_MAX];

	if (as == SIGNAL_SAME)
		as = number;
	if (as == 0) {
		log_debug("%s: dropped (--signal-map)", signal_str(name, number));
		return;
	}
	if (number == s->conf->reload_signal && s->conf->reload == RELOAD_SIGNAL)
		reload_begin(s, number);
	if (ending_pass_on(s, as))
		return;
	if (s->child.pid <= 0) {
		log_info("%s: there is no process to forward it to", signal_str(name, number));
		return;
	}
	r = child_signal(&s->child, as, s->conf->signal_group, info->ssi_code == SI_QUEUE, value);
	if (r < 0)
		log_warning("cannot forward %s to pid %d: %s", signal_str(name, as), s->child.pid,
			    strerror(-r));
}

/* Without a pid here: the kernel (a terminal that hangs up), and what is outside of a container. */
static void say_sender(const struct signalfd_siginfo *info, struct text *t) {
	if (info->ssi_code == SI_KERNEL)
		text_add(t, "the kernel");
	else if (info->ssi_pid == 0)
		text_add(t, "outside of this PID namespace");
	else
		text_addf(t, "pid %u", info->ssi_pid);
}

static void begin_stop(struct supervisor *s, const struct signalfd_siginfo *info) {
	int number = (int)info->ssi_signo;
	char name[SIGNAL_STR_MAX], why[LOG_MESSAGE_MAX / 2], sender[64];
	struct text t = TEXT_OVER(why), from = TEXT_OVER(sender);

	/* systemd's own timeouts say nothing of what was not there in time. */
	if (s->life == LIFE_STARTING) {
		text_add(&t, " while ");
		status_health(s, &t);
	} else {
		status_unpinged(s, &t);
	}
	say_sender(info, &from);
	log_info("%s from %s: stopping%s", signal_str(name, number), sender, why);
	s->ending.stop_signal = number;
	s->owes_stopping = true;
	supervisor_event(s, LIFE_STOP_SIGNAL);
}

static void forward(struct supervisor *s, const struct signalfd_siginfo *info) {
	int number = (int)info->ssi_signo;
	bool is_dropped = s->conf->signal_map[number] == 0;

	if (!is_dropped && conf_has_signal(s->stop_signals, number) && supervisor_has_started(s))
		begin_stop(s, info);
	if (hold_takes(s, info))
		return;
	forward_tell_stop(s);
	forward_pass_on(s, info);
}

/* Deaf to signals we would neither stop nor see the child's end, so this is tried for a while only.
 */
static void listen_later(struct supervisor *s, int error) {
	char what[128];

	ev_io_stop(s->loop, &s->signals_io);
	s->signals_at = usec_add(s->now, FAULT_PAUSE);
	snprintf(what, sizeof(what), "cannot read signals (signalfd: %s)", strerror(error));
	if (++s->n_signal_faults == 1)
		log_warning("%s; trying again", what);
	else if (s->n_signal_faults > FAULTS_MAX)
		supervisor_give_up(s, what);
}

void forward_drain(struct supervisor *s) {
	struct signalfd_siginfo info;
	bool has_sigchld = false;
	int r = 0;

	/* While exec is not known to have worked, signals wait. */
	if (!ev_is_active(&s->signals_io))
		return;
	for (int n = 0; n < TURN_MAX && (r = signals_next(s->setup->signals, &info)) > 0; n++) {
		if (info.ssi_signo == SIGCHLD)
			has_sigchld = true;
		else
			forward(s, &info);
	}
	if (r < 0)
		listen_later(s, -r);
	else
		s->n_signal_faults = 0;
	if (has_sigchld)
		reap_turn(s);
}

void forward_turn(struct supervisor *s) {
	if (s->signals_at > s->now)
		return;
	s->signals_at = USEC_INFINITY;
	ev_io_start(s->loop, &s->signals_io);
	forward_drain(s);
	reap_turn(s);
}

static void on_signals(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, signals_io);

	if (loop_again(loop, w, events))
		return;
	s->now = usec_now();
	forward_drain(s);
}

void forward_start(struct supervisor *s) {
	if (ev_is_active(&s->signals_io))
		return;
	ev_io_init(&s->signals_io, on_signals, s->setup->signals->fd, EV_READ);
	ev_set_priority(&s->signals_io, EV_MAXPRI);
	ev_io_start(s->loop, &s->signals_io);
	/* What happened before we listened. */
	reap_turn(s);
}
