/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <string.h>

#include "reference_inside.h"

/*
 * What the model takes for granted:
 *  - Good evidence read at t says "alive until t + L"; at t + L itself it says it no more, unless
 *    new evidence is read in the same turn (inputs come before deadlines).
 *  - A verdict, a lost lease, READY and a credit are entries in a probe's history; every question
 *    about the probe is answered by reading that history from its beginning.
 *  - A service is worked out by counting and sorting, each millisecond.
 */

struct walker {
	const struct ref_case *c;
	struct ref_log *log;
	uint64_t now;
	struct entry history[REF_PROBES][REF_HISTORY];
	size_t n_history[REF_PROBES];
	struct opinion opinion[REF_PROBES];
	bool was_good[REF_PROBES];
	size_t next_push[REF_PROBES];
	/* looks */
	bool is_looking[REF_PROBES];
	bool is_settled[REF_PROBES]; /* the displaced look was planned */
	uint64_t look_at[REF_PROBES], look_started[REF_PROBES], look_deadline[REF_PROBES];
	size_t n_looks[REF_PROBES];
	/* the process */
	enum ref_process process;
	uint64_t process_good, process_looked;
	/* the service */
	bool is_ready, is_latched, is_triggered, was_is_good;
	bool is_paused;
	size_t next_drill;
	enum ref_service service;
	uint64_t last_ping, refused_at;
	bool was_refused;
	/* stalls */
	uint64_t budget, budget_at;
};

static struct walker walker; /* too large for a stack */

static void read_history(struct walker *w, size_t i) {
	ref_read_history(w->c, &w->c->probes[i], w->history[i], w->n_history[i], &w->opinion[i]);
}

static void note(struct walker *w, size_t i, struct entry e) {
	if (w->n_history[i] < REF_HISTORY)
		w->history[i][w->n_history[i]++] = e;
	read_history(w, i);
}

static bool probe_is_good(const struct walker *w, size_t i, uint64_t at) {
	return w->opinion[i].has_lease && w->opinion[i].until > at;
}

/* The service: counted and sorted ------------------------------------------------------------- */

static bool process_is_good(const struct walker *w, uint64_t at) {
	return w->process_good + w->c->watchdog > at;
}

static size_t count_good(const struct walker *w, uint64_t at) {
	size_t n = 0;

	for (size_t i = 0; i < w->c->n_probes; i++)
		n += !w->c->probes[i].is_optional && probe_is_good(w, i, at);
	return n;
}

static bool is_triggered(const struct walker *w) {
	bool yes = w->is_triggered;

	for (size_t i = 0; i < w->c->n_probes; i++)
		yes |= w->opinion[i].was_triggered;
	return yes;
}

static bool service_is_unhealthy(const struct walker *w, uint64_t at) {
	size_t n_open = 0;

	if (w->is_latched || is_triggered(w))
		return true;
	if (w->is_ready)
		return count_good(w, at) < w->c->required || !process_is_good(w, at);

	for (size_t i = 0; i < w->c->n_probes; i++)
		n_open += !w->c->probes[i].is_optional && !w->opinion[i].is_closed;
	return n_open < w->c->required;
}

static bool service_is_degraded(const struct walker *w, uint64_t at) {
	if (!w->is_ready)
		return false;
	if (w->process == REF_TRACED)
		return true;

	for (size_t i = 0; i < w->c->n_probes; i++) {
		const struct opinion *o = &w->opinion[i];

		if (w->c->probes[i].is_optional)
			continue;
		if (!probe_is_good(w, i, at) || o->fails > 0 || o->is_warned)
			return true;
	}
	return false;
}

/* D': the K-th largest of the good probes' leases with max(L, W). */
static uint64_t composite(const struct walker *w, uint64_t at) {
	uint64_t ends[REF_PROBES];
	size_t n = 0;

	/* A pause says that all is well, for as long as it lasts. */
	if (w->is_paused)
		return REF_FOREVER;
	if (w->c->required == 0 || w->c->warns)
		return w->process_good + w->c->watchdog;

	for (size_t i = 0; i < w->c->n_probes; i++)
		if (!w->c->probes[i].is_optional && probe_is_good(w, i, at))
			ends[n++] = w->opinion[i].until_w;
	return ref_kth_largest(ends, n, w->c->required);
}

static bool may_ping(const struct walker *w, uint64_t at) {
	if (!w->is_ready || w->is_latched)
		return false;
	if (w->is_paused)
		return true;
	if (w->process == REF_STOPPED)
		return false;
	return w->c->warns ? process_is_good(w, at) : !service_is_unhealthy(w, at);
}

static bool ping_is_due(const struct walker *w, uint64_t at) {
	uint64_t watchdog = w->c->watchdog, end, due;

	if (!may_ping(w, at))
		return false;

	end = composite(w, at);
	if (w->last_ping + watchdog >= end)
		return false;

	due = ref_least(w->last_ping + watchdog / 2, end - watchdog);
	due = ref_most(due, w->last_ping + ref_least(watchdog / 10, 1000 * REF_MS));
	if (w->was_refused)
		due = ref_most(due, w->refused_at + watchdog / 20);
	return due <= at;
}

/* What is done --------------------------------------------------------------------------------- */

static void look_at_process(struct walker *w) {
	const struct ref_span *span = ref_span_at(w->c->process, w->now);

	w->process = span != NULL ? span->process : REF_RUNNING;
	w->process_looked = w->now;
	if (w->process != REF_STOPPED)
		w->process_good = w->now;
	ref_log_add(w->log, w->now, REF_PROCESS, 0, w->process);
}

static bool process_look_is_due(const struct walker *w, uint64_t at) {
	uint64_t every = w->c->watchdog / (w->process == REF_STOPPED ? 10 : 2);

	return w->process_looked + every <= at;
}

static void plan_look(struct walker *w, size_t i, enum ref_verdict verdict) {
	const struct ref_probe *p = &w->c->probes[i];
	const struct opinion *o = &w->opinion[i];
	bool is_starting = !o->has_passed && !o->was_start_lost;
	bool is_on_its_way = (!o->is_down && o->fails > 0) || (o->is_down && o->passes > 0);
	uint64_t next = w->look_started[i];

	if (verdict == REF_UNKNOWN) {
		next = w->now + ref_least(p->fast, ref_slack(w->c) / 2);
	} else if (verdict != REF_NOTHING && is_starting) {
		next += p->start_interval;
	} else if (verdict != REF_NOTHING && is_on_its_way) {
		next += p->fast;
	} else if (!w->is_settled[i]) {
		next += p->phase;
		w->is_settled[i] = true;
	} else {
		next += p->interval;
	}
	w->look_at[i] = ref_most(next, w->now);
}

static void end_look(struct walker *w, size_t i, enum ref_verdict verdict) {
	ref_log_add(w->log, w->now, REF_LOOK_END, (int)i, verdict);
	w->is_looking[i] = false;
	if (verdict != REF_NOTHING)
		note(w, i, (struct entry){.kind = VERDICT, .at = w->now, .verdict = verdict});
	plan_look(w, i, verdict);
}

static void take_inputs(struct walker *w) {
	for (size_t i = 0; i < w->c->n_probes; i++) {
		const struct ref_probe *p = &w->c->probes[i];

		if (w->is_looking[i]) {
			const struct ref_look *l = &p->looks[w->n_looks[i] % p->n_looks];

			if (ref_plus(w->look_started[i], l->duration) <= w->now)
				end_look(w, i, l->verdict);
		}

		while (w->next_push[i] < p->n_pushes && p->pushes[w->next_push[i]].at <= w->now) {
			const struct ref_push *push = &p->pushes[w->next_push[i]];
			static const enum entry_kind kinds[] = {
				[REF_BEAT] = VERDICT,      [REF_CLOSED] = CLOSED,
				[REF_TRIGGER] = TRIGGERED, [REF_SET_LEASE] = SET_LEASE,
				[REF_EXTEND] = EXTENDED,
			};

			ref_log_add(w->log, w->now, REF_PUSH, (int)i, w->next_push[i]++);
			note(w, i,
			     (struct entry){.kind = kinds[push->said],
					    .at = w->now,
					    .usec = push->usec,
					    .verdict = push->verdict});
		}
	}
	if (w->c->trigger_at <= w->now)
		w->is_triggered = true;
	if (process_look_is_due(w, w->now))
		look_at_process(w);
}

static void cut_off_looks(struct walker *w) {
	for (size_t i = 0; i < w->c->n_probes; i++)
		if (w->is_looking[i] && w->look_deadline[i] <= w->now)
			end_look(w, i, REF_FAIL);
}

/* A look that takes no time is made where its time has come, before anything is judged. */
static void watch(struct walker *w) {
	for (size_t i = 0; i < w->c->n_probes; i++) {
		const struct ref_probe *p = &w->c->probes[i];

		if (!p->is_watched || w->look_at[i] > w->now)
			continue;

		ref_log_add(w->log, w->now, REF_LOOK_START, (int)i, 0);
		w->look_started[i] = w->now;
		end_look(w, i, p->looks[++w->n_looks[i] % p->n_looks].verdict);
	}
}

static void take_ready(struct walker *w) {
	if (w->is_ready || w->c->ready_at > w->now)
		return;

	/* READY counts as a ping: the process is looked at, and what was before it is forgiven. */
	look_at_process(w);
	w->process_good = w->now;
	ref_log_add(w->log, w->now, REF_READY, 0, 0);
	w->is_ready = true;
	w->last_ping = w->now;
	for (size_t i = 0; i < w->c->n_probes; i++)
		note(w, i, (struct entry){.kind = READY, .at = w->now});
}

/* What people told it to do. */
static void take_maintenance(struct walker *w) {
	bool wants_pause = ref_span_at(w->c->pauses, w->now) != NULL && !w->is_latched;

	if (wants_pause && !w->is_paused) {
		ref_log_add(w->log, w->now, REF_PAUSE, 0, 0);
		w->is_paused = true;
	} else if (!wants_pause && w->is_paused) {
		ref_log_add(w->log, w->now, REF_RESUME, 0, 0);
		w->is_paused = false;
		w->process_good = w->now;
		for (size_t i = 0; i < w->c->n_probes; i++)
			note(w, i, (struct entry){.kind = RESUMED, .at = w->now});
	}
	for (; w->next_drill < w->c->n_drills && w->c->drills[w->next_drill].at <= w->now;
	     w->next_drill++) {
		size_t who = w->c->drills[w->next_drill].who;

		if (!w->is_ready || w->is_paused || w->is_latched)
			continue;
		ref_log_add(w->log, w->now, REF_DRILL, (int)who, 0);
		note(w, who, (struct entry){.kind = DRILLED, .at = w->now});
	}
}

static void judge(struct walker *w) {
	enum ref_service service = REF_HEALTHY;

	for (size_t i = 0; i < w->c->n_probes; i++)
		if (w->opinion[i].has_lease && w->opinion[i].until <= w->now)
			note(w, i, (struct entry){.kind = EXPIRED, .at = w->now});

	if (service_is_unhealthy(w, w->now))
		service = REF_UNHEALTHY;
	else if (service_is_degraded(w, w->now))
		service = REF_DEGRADED;

	for (size_t i = 0; i < w->c->n_probes; i++) {
		bool is_good = probe_is_good(w, i, w->now);

		if (is_good != w->was_good[i])
			ref_log_add(w->log, w->now, REF_PROBE_GOOD, (int)i, is_good);
		w->was_good[i] = is_good;
	}
	if (service == w->service || w->is_paused)
		return;

	w->service = service;
	ref_log_add(w->log, w->now, REF_SERVICE, 0, service);
	if (service == REF_UNHEALTHY && w->c->latches)
		w->is_latched = true;
}

static void send_ping(struct walker *w) {
	bool is_full = ref_span_at(w->c->full, w->now) != NULL;

	ref_log_add(w->log, w->now, is_full ? REF_REFUSED : REF_PING, 0, 0);
	w->was_refused = is_full;
	if (is_full)
		w->refused_at = w->now;
	else
		w->last_ping = w->now;
}

static void start_looks(struct walker *w) {
	for (size_t i = 0; i < w->c->n_probes; i++) {
		const struct ref_probe *p = &w->c->probes[i];

		if (!p->is_pull || w->is_looking[i] || w->look_at[i] > w->now)
			continue;

		w->is_looking[i] = true;
		w->n_looks[i]++;
		w->look_started[i] = w->now;
		w->look_deadline[i] = w->now + p->timeout;
		ref_log_add(w->log, w->now, REF_LOOK_START, (int)i, 0);
	}
}

/* sdwd sleeps at @at: would a timer of its own have woken it? */
static bool something_is_due(const struct walker *w, uint64_t at) {
	for (size_t i = 0; i < w->c->n_probes; i++) {
		if ((w->c->probes[i].is_pull || w->c->probes[i].is_watched) &&
		    (w->is_looking[i] ? w->look_deadline[i] : w->look_at[i]) <= at)
			return true;
		if (w->opinion[i].has_lease && w->opinion[i].until <= at)
			return true;
	}
	if (process_look_is_due(w, at))
		return true;
	if (w->is_ready && !w->is_paused && w->service != REF_UNHEALTHY && !process_is_good(w, at))
		return true;
	return ping_is_due(w, at);
}

static void take_stall(struct walker *w, uint64_t scheduled) {
	uint64_t watchdog = w->c->watchdog, gap = w->now - scheduled, charge, credit;

	if (gap <= ref_slack(w->c))
		return;

	if (may_ping(w, scheduled)) {
		look_at_process(w);
		if (w->process != REF_STOPPED || w->is_paused)
			send_ping(w);
	}

	w->budget = ref_least(watchdog, w->budget + (w->now - w->budget_at) / 10);
	w->budget_at = w->now;
	/* What was frozen together with sdwd gets the slack to speak. */
	gap += ref_slack(w->c);
	charge = ref_least(gap, watchdog);
	credit = charge <= w->budget ? gap : w->budget;
	w->budget -= ref_least(charge, w->budget);

	ref_log_add(w->log, w->now, REF_CREDIT, 0, credit);
	w->process_good = ref_least(w->now, w->process_good + credit);
	for (size_t i = 0; i < w->c->n_probes; i++) {
		note(w, i, (struct entry){.kind = CREDITED, .at = w->now, .usec = credit});
		w->look_deadline[i] += credit;
	}
}

static void report_is_good(struct walker *w) {
	bool is_good = count_good(w, w->now) >= w->c->required && w->process != REF_STOPPED &&
		       !is_triggered(w);

	if (!w->is_ready && is_good != w->was_is_good)
		ref_log_add(w->log, w->now, REF_IS_GOOD, 0, is_good);
	w->was_is_good = is_good;
}

void ref_run(const struct ref_case *c, struct ref_log *ret_log) {
	struct walker *w = &walker;
	bool is_asleep = false, is_scheduled = false;
	uint64_t scheduled = 0;

	/* All but the histories, which are long and count their own entries. */
	memset((char *)w + offsetof(struct walker, n_history), 0,
	       sizeof(*w) - offsetof(struct walker, n_history));
	w->c = c;
	w->log = ret_log;
	w->budget = c->watchdog;
	ret_log->n = 0;
	for (size_t i = 0; i < c->n_probes; i++)
		read_history(w, i);

	for (uint64_t t = 0; t < c->end_at; t += REF_MS) {
		if (ref_span_at(c->stalls, t) != NULL) {
			if (!is_scheduled && something_is_due(w, t)) {
				is_scheduled = true;
				scheduled = t;
			}
			is_asleep = true;
			continue;
		}

		w->now = t;
		if (c->stop_at <= t) {
			ref_log_add(w->log, w->now, REF_STOP, 0, 0);
			return;
		}
		if (is_asleep && is_scheduled)
			take_stall(w, scheduled);
		is_asleep = is_scheduled = false;

		take_inputs(w);
		cut_off_looks(w);
		watch(w);
		take_ready(w);
		take_maintenance(w);
		judge(w);
		if (ping_is_due(w, t)) {
			look_at_process(w);
			judge(w);
			if (ping_is_due(w, t))
				send_ping(w);
		}
		start_looks(w);
		report_is_good(w);
	}
}
