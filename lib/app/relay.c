/* SPDX-License-Identifier: MIT */
/*
 * The child's NOTIFY_SOCKET: what it says becomes evidence, is forwarded, or is dropped, field by
 * field (the table is in sdwd(1), "RELAY").  Datagrams stay whole: what is forwarded of one goes in
 * one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/internal.h"
#include "base/text.h"
#include "probe/notify.h"

/*
 * One turn takes so many datagrams at most, and no further one after so long: fds to close and
 * parents to look up take time.  Who sends without end rests in between (core/allowance.h).
 */
#define TURN_MAX 64
#define TURN_USEC ALLOWANCE_BURST

/* The kernel's queue (net.unix.max_dgram_qlen) is 512 with systemd: twice that in turns. */
#define DRAIN_TURNS 16

/* Of the notifier's queue this is left to what sdwd itself has to say. */
#define OWN_ROOM 64
/* So many times in a row a call may fail: of memory, or of what nobody expects. */
#define RELAY_FAULTS_MAX 1000

/* Fields that go up as they are, whatever the state. */
#define ALWAYS_UP \
	(NOTIFY_STATUS | NOTIFY_STOPPING | NOTIFY_RELOADING | NOTIFY_MONOTONIC | NOTIFY_FDSTORE | \
	 NOTIFY_FDSTOREREMOVE | NOTIFY_FDNAME | NOTIFY_FDPOLL | NOTIFY_OTHER)

int relay_open(struct supervisor *s) {
	s->access = s->conf->notify_access;
	if (s->access == NOTIFY_ACCESS_NONE ||
	    (!notifier_is_open(&s->notifier) && s->notify_slot < 0))
		return 0;
	return notify_sock_open(&s->relay);
}

/* Kept as systemd would read it: it takes backslashes out, and so do we. */
static void keep_status(struct supervisor *s, const struct notify_msg *m) {
	char plain[sizeof(s->child_status)];
	size_t length = 0;

	if (!(m->fields & NOTIFY_STATUS))
		return;
	for (size_t i = 0; i < m->status_length && length < sizeof(plain); i++) {
		if (m->status[i] == '\\' && i + 1 < m->status_length)
			i++;
		plain[length++] = m->status[i];
	}
	(void)text_clean(s->child_status, sizeof(s->child_status), plain, length);
	status_changed(s);
	/* During a stop only the child has something new to say. */
	if (s->life == LIFE_STOPPING && notifier_is_open(&s->notifier))
		s->is_status_due = true;
}

/* More time: for the lease of @slot, and up where systemd has a timer for it. A beat in the same
 * message comes first: it would take the time back. */
static bool extend(struct supervisor *s, const struct notify_msg *m, ptrdiff_t slot) {
	bool is_running = s->life == LIFE_RUNNING || s->life == LIFE_UNHEALTHY;

	if (!(m->fields & NOTIFY_EXTEND_TIMEOUT))
		return false;
	if (is_running && slot >= 0)
		looks_extend(s, (size_t)slot, usec_add(s->now, m->extend_timeout_usec));
	return !is_running || s->is_reloading || s->reload.is_open;
}

/* What we have decided on is not given up for a child that says STOPPING=1 and hangs. */
static bool will_stop(const struct supervisor *s) {
	return s->life < LIFE_STOPPING && !(s->monitor.is_latched && s->mode == ON_UNHEALTHY_KILL);
}

/*
 * A stop tells and judges nothing any more: what the child said before it goes up before it.  What
 * makes it ready may wait in another of its ways to us than in the one by which STOPPING=1 came:
 * the pipe of @p, or (NULL) the relay, which is being read, and not read from within.
 */
static void finish_before_stop(struct supervisor *s, const struct probe *p) {
	if (s->life == LIFE_STARTING && !s->is_ready_sent && !s->is_finishing && will_stop(s)) {
		s->is_finishing = true;
		looks_hear(s, p);
		if (p)
			relay_drain(s, USEC_INFINITY);
		s->is_finishing = false;
	}
	supervisor_check_ready(s);
	status_send_due(s);
}

static void stop(struct supervisor *s) {
	if (!will_stop(s))
		return;
	log_info("the child says that it is stopping");
	supervisor_event(s, LIFE_STOP_MESSAGE);
}

/* What has to wait is tried again soon. */
static int send_or_queue(struct supervisor *s, const char *message, size_t length, const int *fds,
			 size_t n_fds, enum token token) {
	int r = notifier_send(&s->notifier, message, length, fds, n_fds, token);

	if (r == 0 && s->flush_at == USEC_INFINITY)
		s->flush_at = usec_add(s->now, NOTIFIER_RETRY_USEC);
	return r;
}

static void hand_on(struct supervisor *s, const char *message, size_t length, const int *fds,
		    size_t n_fds, enum token token) {
	int r = send_or_queue(s, message, length, fds, n_fds, token);

	if (r < 0 && (r != -ENOBUFS || !s->has_told_lost))
		log_warning("cannot forward the child's sd_notify message: %s", strerror(-r));
	s->has_told_lost = r == -ENOBUFS;
}

/* What goes up of the datagram, with our words behind its STATUS. */
static void send_up(struct supervisor *s, const struct notify_msg *m,
		    const struct notify_datagram *d, unsigned keep) {
	bool takes_fds = (m->fields & NOTIFY_FDSTORE) != 0;
	char message[NOTIFY_MSG_MAX], status[NOTIFY_MSG_MAX], escaped[NOTIFY_MSG_MAX];
	struct text t = TEXT_OVER(status);
	unsigned up = m->fields & keep;
	size_t length;

	/* A STATUS alone waits for its turn with ours: a flood of them goes up once a second. */
	if (up == NOTIFY_STATUS || up == 0 || !notifier_is_open(&s->notifier))
		return;
	if (up & NOTIFY_STATUS) {
		status_compose(s, &t);
		snprintf(s->status_sent, sizeof(s->status_sent), "%s", status);
		(void)notify_msg_escape(escaped, sizeof(escaped), status);
		s->is_status_due = false;
	}
	length = notify_msg_filter(message, d->data, d->length, keep,
				   up & NOTIFY_STATUS ? escaped : NULL);
	if (length == 0)
		return;
	hand_on(s, message, length, d->fds, takes_fds ? d->n_fds : 0, TOKEN_NONE);
}

/* READY=1 behind our own that the manager did not take yet goes alone: it is taken back with it. */
static void send_up_early(struct supervisor *s, const struct notify_msg *m,
			  const struct notify_datagram *d, unsigned keep) {
	static const char ready[] = "READY=1";

	send_up(s, m, d, keep & ~NOTIFY_READY);
	hand_on(s, ready, strlen(ready), NULL, 0, TOKEN_READY);
}

static void pass_barrier(struct supervisor *s, struct notify_datagram *d) {
	static const char barrier[] = "BARRIER=1";

	if (d->n_fds != 1 || !notifier_is_open(&s->notifier))
		return;
	/* "After all earlier messages" includes a STATUS that waits for its second. */
	status_send_due(s);
	(void)send_or_queue(s, barrier, strlen(barrier), d->fds, 1, TOKEN_NONE);
}

static void feed(struct supervisor *s, const struct notify_msg *m) {
	struct probe *p;

	if (s->notify_slot < 0 || !supervisor_has_started(s))
		return;
	p = s->slots[s->notify_slot].probe;
	p->is_old = late_is_before(&s->late, s->relay_mark);
	notify_probe_feed(p, m, s->monitor.is_ready);
}

static void take(struct supervisor *s, struct notify_datagram *d) {
	struct notify_msg m;
	unsigned keep = ALWAYS_UP;

	if (notify_msg_parse(&m, d->data, d->length) < 0 || !relay_may_send(s, d, &m))
		return;
	if (m.is_barrier_alone) {
		pass_barrier(s, d);
		return;
	}
	/* A barrier among other fields: systemd ignores the whole message. */
	if (m.fields & NOTIFY_BARRIER)
		return;

	if (m.fields & NOTIFY_STOPPING)
		finish_before_stop(s, NULL);
	if (m.fields & NOTIFY_MAINPID)
		adopt_mainpid(s, m.mainpid);
	if (m.fields & NOTIFY_ACCESS)
		relay_set_access(s, &m);
	keep_status(s, &m);
	/* Before our own READY=1 there is nothing to reload: the child's would come too early. */
	if (m.fields & NOTIFY_RELOADING) {
		s->is_reloading = s->is_ready_sent;
		reload_give_up(s);
	}
	if (m.fields & NOTIFY_READY) {
		if (s->is_reloading)
			keep |= NOTIFY_READY;
		s->is_reloading = false;
		s->is_child_ready = true;
	}
	feed(s, &m);
	if (extend(s, &m, s->notify_slot))
		keep |= NOTIFY_EXTEND_TIMEOUT;
	if ((m.fields & keep & NOTIFY_READY) && s->life == LIFE_STARTING)
		send_up_early(s, &m, d, keep);
	else
		send_up(s, &m, d, keep);
	if (m.fields & NOTIFY_WATCHDOG_TRIGGER)
		looks_trigger(s, s->notify_slot);
	if (m.fields & NOTIFY_STOPPING) {
		s->has_said_stopping = true;
		stop(s);
	}
}

/* No room is left for what a message makes us say, or for what it brings along. */
static bool is_full(const struct supervisor *s) {
	return s->notifier.n_entries >= NOTIFIER_QUEUE_MAX - OWN_ROOM ||
	       !unclosed_has_room(&s->unclosed, NOTIFY_DATAGRAM_FDS_MAX);
}

/*
 * The manager does not read: leave the child's messages where they are, as the manager's own full
 * queue would, and lose none.  Also while a ping waits: it goes before all that the child says.
 */
static bool is_crowded(const struct supervisor *s) {
	return s->notifier.n_entries >= NOTIFIER_QUEUE_MAX / 2 || looks_owe_ping(s) || is_full(s);
}

static bool is_waiting(struct supervisor *s) {
	bool r = s->relay.fd >= 0 && notify_sock_has_more(&s->relay);

	if (!r)
		late_empty(&s->late);
	return r;
}

/* A bounded turn. True: more waits. */
static bool read_some(struct supervisor *s, bool is_patient) {
	usec_t until_at = usec_add(usec_now(), TURN_USEC);

	s->sender.pid = 0;
	for (int turn = 0; turn < TURN_MAX; turn++) {
		struct notify_datagram *d = &s->datagram;
		int r;

		if (is_full(s) || (is_patient && is_crowded(s)))
			break;
		r = s->relay.fd < 0 ? 0 : notify_sock_receive(&s->relay, d);
		if (r == 0) {
			late_empty(&s->late);
			return false;
		}
		late_read(&s->late);
		if (r == -EBADMSG) {
			unclosed_take(s, d);
			continue;
		}
		/* What waits there is still there; the loop comes back for it. */
		if (r < 0 && ++s->n_relay_faults < RELAY_FAULTS_MAX)
			return false;
		if (r < 0) {
			log_warning("the child's NOTIFY_SOCKET broke: %s; its messages are not "
				    "heard any more",
				    strerror(-r));
			relay_done(s);
			return false;
		}
		s->n_relay_faults = 0;
		s->now = usec_now();
		take(s, d);
		unclosed_take(s, d);
		if (usec_now() >= until_at)
			break;
	}
	return is_waiting(s);
}

/* The same; what is read out of turn is paid for as well. */
static bool drain(struct supervisor *s, bool is_patient) {
	usec_t taken = usec_taken();
	bool has_more = read_some(s, is_patient);

	taken = usec_sub(usec_taken(), taken);
	s->relay_at = allowance_spend(&s->relay_allowance, usec_now(), taken);
	return has_more;
}

void relay_drain(struct supervisor *s, usec_t until_at) {
	for (int turn = 0; turn < DRAIN_TURNS; turn++)
		if (!drain(s, false) || is_full(s) || usec_now() >= until_at)
			break;
}

void relay_mark(struct supervisor *s) {
	s->relay_mark = late_mark(&s->late);
	(void)is_waiting(s);
}

/* The same words through a heartbeat pipe: nothing but what the words themselves say goes up. */
void relay_words(struct supervisor *s, struct probe *p, const struct notify_msg *m) {
	char message[64];
	ptrdiff_t slot = looks_slot_of(s, p);

	keep_status(s, m);
	if (m->fields & NOTIFY_READY)
		s->is_child_ready = true;
	if ((m->fields & NOTIFY_WATCHDOG_USEC) && supervisor_has_started(s)) {
		struct outcome o;

		monitor_set_lease(&s->monitor, (size_t)slot,
				  m->watchdog_usec == 0 ? USEC_INFINITY : m->watchdog_usec);
		outcome_set(&o, CAUSE_OK, "beats");
		s->owner.on_outcome(&s->owner, p, &o);
	}
	/* The child cannot wait here, as it does where its socket is full: it says so again. */
	if (extend(s, m, slot) && notifier_is_open(&s->notifier) && !is_crowded(s)) {
		snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%llu",
			 (unsigned long long)m->extend_timeout_usec);
		(void)send_or_queue(s, message, strlen(message), NULL, 0, TOKEN_NONE);
	}
	if (m->fields & NOTIFY_WATCHDOG_TRIGGER)
		looks_trigger(s, slot);
	/* While we hear what was said before a stop, that stop is the one. */
	if ((m->fields & NOTIFY_STOPPING) && !s->is_finishing) {
		finish_before_stop(s, p);
		if (!s->has_said_stopping)
			status_send_stopping(s, "the child says so");
		stop(s);
	}
}

static void on_datagram(struct ev_loop *loop, struct ev_io *w, int events) {
	struct supervisor *s = container_of(w, struct supervisor, relay_io);
	bool has_more;

	if (loop_again(loop, w, events))
		return;
	has_more = drain(s, true);
	if (s->relay.fd < 0)
		return;
	s->now = usec_now();
	if (s->relay_at == 0 && !(has_more && is_crowded(s)))
		return;
	ev_io_stop(loop, w);
	s->is_relay_held = true;
}

/* What the child said, and is waited for, stands behind what others send: no rest before that. */
static usec_t rests_until_at(const struct supervisor *s) {
	return MIN(s->relay_at, looks_overdue_at(s));
}

bool relay_is_resting(const struct supervisor *s) {
	return s->is_relay_held && rests_until_at(s) > s->now;
}

void relay_turn(struct supervisor *s) {
	if (!s->is_relay_held || s->relay.fd < 0 || relay_is_resting(s) || is_crowded(s))
		return;
	s->is_relay_held = false;
	ev_io_start(s->loop, &s->relay_io);
}

usec_t relay_next_at(const struct supervisor *s) {
	return s->is_relay_held && s->relay.fd >= 0 && !is_crowded(s) ? rests_until_at(s)
								      : USEC_INFINITY;
}

void relay_start(struct supervisor *s) {
	if (s->relay.fd < 0)
		return;
	ev_io_init(&s->relay_io, on_datagram, s->relay.fd, EV_READ);
	ev_io_start(s->loop, &s->relay_io);
}

void relay_done(struct supervisor *s) {
	if (s->relay.fd < 0)
		return;
	if (ev_is_active(&s->relay_io))
		ev_io_stop(s->loop, &s->relay_io);
	notify_sock_close(&s->relay);
}
