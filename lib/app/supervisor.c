/* SPDX-License-Identifier: MIT */
/*
 * The loop.  One turn: the time is read; where we woke later than the slack, the stall is taken out
 * of time; signals, then other inputs (libev calls them by priority); then, after all events, looks
 * that timed out, deadlines, pings.  What is due next is asked of every part, and one timer is set
 * for the earliest: no part has a timer of its own, so the order of a turn is in this file and
 * nowhere else.
 */
#include "app/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/internal.h"
#include "sys/self.h"

/* From the beginning of a watch to the moment at which it is known that it is not refused. */
#define SETTLE (100 * USEC_PER_MSEC)

const char *supervisor_probe_name(const struct supervisor *s, ptrdiff_t slot) {
	return slot < 0 ? "process" : s->slots[slot].probe->conf->name;
}

bool supervisor_has_started(const struct supervisor *s) {
	return s->life >= LIFE_STARTING && s->life < LIFE_STOPPING;
}

static void wind_down(struct supervisor *s) {
	looks_end(s);
	act_stop(s);
	reload_give_up(s);
	/* It would turn the stop that began into a watchdog's kill. */
	notifier_drop(&s->notifier, TOKEN_TRIGGER);
	s->start_timeout_at = s->extend_at = s->remind_at = s->pause.at = USEC_INFINITY;
	status_changed(s);
}

static void end_start(struct supervisor *s) {
	char reason[sizeof(s->ending.reason) + 16];

	message_start_timeout(s, s->ending.reason);
	wind_down(s);
	snprintf(reason, sizeof(reason), "not ready: %s", s->ending.reason);
	ending_kill_child(s, reason);
}

static void perform(struct supervisor *s, enum life_action action) {
	switch (action) {
	case LIFE_NOTHING:
	case LIFE_ACTION_MAX:
		break;
	case LIFE_BEGIN:
		s->settle_at = usec_add(s->now, SETTLE);
		/* The monitor first: what the child said meanwhile is read by the next two. */
		looks_begin(s);
		relay_start(s);
		forward_start(s);
		hold_begin(s);
		status_changed(s);
		break;
	case LIFE_REPORT_EXEC:
		wind_down(s);
		break;
	case LIFE_ANNOUNCE:
		s->start_timeout_at = s->extend_at = s->remind_at = USEC_INFINITY;
		monitor_ready(&s->monitor, s->now);
		message_ready(s);
		hold_begin(s);
		status_changed(s);
		break;
	case LIFE_ACT:
		act_begin(s);
		break;
	case LIFE_RECOVER:
		act_recover(s);
		break;
	case LIFE_END_START:
		end_start(s);
		break;
	case LIFE_WIND_DOWN:
		wind_down(s);
		break;
	case LIFE_COLLECT:
		wind_down(s);
		ending_collect(s);
		break;
	case LIFE_FINISH:
		break;
	}
}

void supervisor_event(struct supervisor *s, enum life_event event) {
	struct life_step step = life_step(s->life, event);

	if (step.next != s->life) {
		log_debug("%s: %s -> %s", life_event_str(event), life_state_str(s->life),
			  life_state_str(step.next));
		s->state_at = s->now;
		control_changed(s);
	}
	s->life = step.next;
	perform(s, step.action);
}

void supervisor_check_ready(struct supervisor *s) {
	unsigned ready = s->conf->ready;

	if (s->life != LIFE_STARTING || s->is_ready_sent || s->monitor.service == SERVICE_UNHEALTHY)
		return;
	if ((ready & 1U << READY_ON_HEALTHY) &&
	    (!monitor_is_good(&s->monitor) ||
	     (s->adopt.step != ADOPT_OFF && s->adopt.step != ADOPT_DONE)))
		return;
	if ((ready & 1U << READY_ON_NOTIFY) && !s->is_child_ready)
		return;
	s->is_ready_sent = true;
	status_send_ready(s);
}

static void start_turn(struct supervisor *s) {
	char missing[OUTCOME_TEXT_MAX];
	struct text t = TEXT_OVER(missing);

	if (launch_is_late(s)) {
		struct text reason = TEXT_OVER(s->ending.reason);

		s->start_timeout_at = USEC_INFINITY;
		/* Before the state changes: who stops misses nothing any more. */
		status_missing(s, &reason);
		supervisor_event(s, LIFE_TIMED_OUT);
	}
	if (s->remind_at <= s->now) {
		s->remind_at = usec_add(s->now, USEC_PER_MINUTE);
		status_missing(s, &t);
		log_notice("not ready yet: %s", missing);
	}
}

static usec_t next_at(const struct supervisor *s) {
	usec_t times[] = {
		looks_next_at(s),    adopt_next_at(s),    status_next_at(s),
		s->start_timeout_at, s->remind_at,        prober_next_at(&s->prober),
		s->act.at,           s->ending.at,        s->hold.at,
		s->pause.at,         control_next_at(s),  s->is_reap_due ? s->now : USEC_INFINITY,
		relay_next_at(s),    s->signals_at,       s->settle_at,
		message_next_at(s),  unclosed_next_at(s),
	};
	usec_t at = USEC_INFINITY;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		at = MIN(at, times[i]);
	return at;
}

/*
 * A stall is known from the wake-up that came late. While others have their time (the child to
 * start or to end, a hook), we wake often enough to see how much of it they could not use.
 */
#define TICK (500 * USEC_PER_MSEC)

static bool has_given_time(const struct supervisor *s) {
	return s->act.at != USEC_INFINITY || s->ending.at != USEC_INFINITY ||
	       s->start_timeout_at != USEC_INFINITY;
}

/* What was frozen with us had no time either: what it was given moves. */
static void take_stall(struct supervisor *s, usec_t scheduled_at) {
	usec_t *const deadlines[] = {
		&s->act.at,
		&s->ending.at,
		&s->hold.at,
		&s->start_timeout_at,
		&s->adopt.deadline_at,
		&s->adopt.settle_at,
		&s->ending.in_vain_at,
		&s->ending.kill_until_at,
	};
	usec_t before[ARRAY_SIZE(deadlines)], credit;

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++)
		before[i] = *deadlines[i];
	credit = looks_stall(s, scheduled_at);
	/* A signal that was read first may have begun something: that has its whole time. */
	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++)
		if (*deadlines[i] == before[i])
			*deadlines[i] = usec_add(before[i], credit);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *w, int events) {
	/* It only wakes: what is due is found at the end of the turn. */
}

static void set_timer(struct supervisor *s) {
	double after;

	ev_timer_stop(s->loop, &s->timer);
	/* What the end of this turn made due was not due before it: nobody overslept that. */
	s->wake_at = MAX(next_at(s), s->now);
	if (s->wake_at == USEC_INFINITY)
		return;
	ev_now_update(s->loop);
	s->now = usec_now();
	if (has_given_time(s))
		s->wake_at = MIN(s->wake_at, usec_add(s->now, TICK));
	after = (double)usec_sub(s->wake_at, s->now) / 1e6;
	ev_timer_set(&s->timer, after, 0);
	ev_timer_start(s->loop, &s->timer);
}

/* libev calls this when events wait to be handled: the beginning of a turn. */
static void on_events(struct ev_loop *loop) {
	struct supervisor *s = ev_userdata(loop);

	if (ev_pending_count(loop) == 0)
		return;
	s->now = usec_now();
	if (s->wake_at != USEC_INFINITY && s->now > usec_add(s->wake_at, s->monitor.slack_usec))
		take_stall(s, s->wake_at);
	s->turn_at = s->now;
	ev_invoke_pending(loop);
}

static void end_turn(struct supervisor *s) {
	usec_t expected_at = MAX(s->turn_at, s->wake_at);

	/* SIGSTOP may come in the middle of a turn as well: the handlers took no such time. */
	s->now = usec_now();
	if (s->now > usec_add(expected_at, s->monitor.slack_usec))
		take_stall(s, expected_at);
	if (s->is_reap_due)
		reap_turn(s);
	if (s->settle_at <= s->now)
		s->settle_at = USEC_INFINITY;
	forward_turn(s);
	hold_turn(s);
	looks_turn(s);
	prober_turn(&s->prober, s->now);
	adopt_turn(s);
	start_turn(s);
	pause_turn(s);
	judge_now(s);
	reload_turn(s);
	supervisor_check_ready(s);
	act_turn(s);
	ending_turn(s);
	looks_ping(s);
	status_turn(s);
	relay_turn(s);
	message_turn(s);
	/* After the ping, and all else that matters. */
	control_turn(s);
	/* What is open at the end is closed with us, and nobody is waited for. */
	if (s->life < LIFE_DONE)
		unclosed_turn(s);
}

static void on_exec(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, exec_io);
	enum child_stage stage;
	int error, r;

	if (loop_again(loop, w, events))
		return;
	ev_io_stop(loop, w);
	r = child_exec_result(&s->child, &stage, &error);
	if (r == -EAGAIN) {
		ev_io_start(loop, w);
		return;
	}
	if (r == 0) {
		message_domain(s);
		inherit_close(!s->journal.is_native);
		supervisor_event(s, LIFE_EXEC_OK);
		forward_start(s);
		return;
	}
	message_exec_failed(s, stage, error);
	s->ending.wait_status = (stage != CHILD_STAGE_EXEC ? EXIT_SDWD
				 : error == ENOENT         ? EXIT_NOT_FOUND
							   : EXIT_CANNOT_EXEC)
				<< 8;
	s->ending.has_status = s->ending.is_ours = true;
	supervisor_event(s, LIFE_EXEC_FAILED);
	/* The failed fork is to be reaped: that is all that is left to do. */
	forward_start(s);
}

void supervisor_give_up(struct supervisor *s, const char *what) {
	log_error("%s: sdwd cannot go on", what);
	ending_at_once(s, what);
	control_sock_unlink(&s->control.sock);
	notify_sock_close(&s->relay);
	self_die_like(EXIT_SDWD << 8);
}

static void on_loop_fault(void *context, const char *what, bool is_fatal) {
	if (is_fatal)
		supervisor_give_up(context, what);
	log_warning("%s", what);
}

static int loop_open(struct supervisor *s) {
	s->loop = loop_new(on_loop_fault, s);
	if (!s->loop)
		return -ENOMEM;
	ev_set_userdata(s->loop, s);
	ev_set_invoke_pending_cb(s->loop, on_events);
	ev_timer_init(&s->timer, on_timer, 0, 0);
	ev_set_priority(&s->timer, EV_MINPRI);
	return 0;
}

/* The last words may find the manager's queue full; the child is gone, so waiting a moment hurts
 * nobody. */
static void flush_last(struct supervisor *s) {
	for (int i = 0; i < 10 && notifier_flush(&s->notifier) > 0; i++)
		(void)usleep(NOTIFIER_RETRY_USEC);
}

static void close_all(struct supervisor *s) {
	control_done(s);
	flush_last(s);
	relay_done(s);
	hold_done(s);
	adopt_done(s);
	act_done(s);
	ending_done(s);
	for (size_t i = 0; i < s->n_slots; i++)
		probe_free(s->slots[i].probe);
	free(s->slots);
	prober_done(&s->prober);
	notifier_close(&s->notifier);
	tty_done(&s->tty);
	if (s->loop) {
		ev_io_stop(s->loop, &s->signals_io);
		ev_io_stop(s->loop, &s->exec_io);
		ev_timer_stop(s->loop, &s->timer);
		ev_loop_destroy(s->loop);
	}
	signals_close(s->setup->signals);
	log_set_sink(NULL, NULL);
	journal_close(&s->journal);
}

struct supervisor_end supervisor_run(const struct supervisor_setup *setup) {
	/* Of what is not allocated only those pages are ours that are written to. */
	static struct supervisor supervisor;
	struct supervisor_end end = SUPERVISOR_EXIT(EXIT_SDWD);
	struct supervisor *s = &supervisor;
	int r;

	s->setup = setup;
	s->conf = setup->conf;
	s->watchdog_usec = setup->watchdog_usec;
	s->notify_slot = -1;
	s->notifier.fd = s->relay.fd = s->journal.fd = s->child.exec_fd = s->tty.fd = -1;
	s->stop_signals = setup->conf->stop_signals;
	s->manager_pid = getppid();
	s->hold.query.fd = s->adopt.watch_fd = s->adopt.pidfd = -1;
	s->adopt.slot = -1;
	s->adopt.retry_at = s->adopt.deadline_at = s->act.at = s->ending.at = s->flush_at =
		s->status_at = s->start_timeout_at = s->extend_at = s->remind_at = s->hold.at =
			s->pause.at = s->signals_at = s->settle_at = USEC_INFINITY;
	s->owner = owner_of_probes;
	prober_init(&s->prober);
	control_init(s);
	ev_io_init(&s->signals_io, NULL, -1, EV_READ);
	ev_io_init(&s->exec_io, on_exec, -1, EV_READ);

	r = loop_open(s);
	if (r < 0)
		log_error("cannot make an event loop: %s", strerror(-r));
	else
		r = launch_prepare(s);
	if (r == 0)
		r = launch_start(s);
	if (r == 0) {
		s->state_at = s->started_at;
		s->settle_at = usec_add(s->started_at, SETTLE);
		control_open(s);
		ev_io_set(&s->exec_io, s->child.exec_fd, EV_READ);
		ev_io_start(s->loop, &s->exec_io);
		while (s->life != LIFE_DONE) {
			set_timer(s);
			loop_run(s->loop);
			end_turn(s);
		}
		reap_last(s);
		message_done(s);
	}
	if (r >= 0)
		end = ending_result(s);
	close_all(s);
	return end;
}
