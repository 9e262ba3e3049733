/* SPDX-License-Identifier: MIT */
#include "drive.h"

#include <string.h>

uint64_t drive_random(uint64_t *state) {
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t drive_random_range(uint64_t *state, uint64_t low, uint64_t high) {
	return high <= low ? low : low + drive_random(state) % (high - low + 1);
}

bool drive_random_percent(uint64_t *state, unsigned percent) {
	return drive_random(state) % 100 < percent;
}

#define range drive_random_range
#define percent drive_random_percent

/* Whole milliseconds. */
static usec_t range_msec(uint64_t *s, usec_t low_usec, usec_t high_usec) {
	return range(s, low_usec / USEC_PER_MSEC, high_usec / USEC_PER_MSEC) * USEC_PER_MSEC;
}

/* Between 1 ms and @high_usec, small ones as likely as large ones. */
static usec_t any_size(uint64_t *s, usec_t high_usec) {
	for (unsigned halvings = (unsigned)range(s, 0, 8); halvings > 0; halvings--)
		high_usec = high_usec * 2 / 3;
	return MAX(USEC_PER_MSEC, range_msec(s, high_usec / 2, high_usec));
}

enum mood { MOOD_GOOD, MOOD_BAD, MOOD_BLIND, MOOD_MIXED, MOODS };

static enum ref_verdict verdict_of(uint64_t *s, enum mood mood) {
	static const enum ref_verdict typical[] = {REF_PASS, REF_FAIL, REF_UNKNOWN};

	if (mood == MOOD_MIXED || percent(s, 8))
		return (enum ref_verdict)range(s, 0, 3);
	return typical[mood];
}

static enum mood next_mood(uint64_t *s, enum mood mood) {
	if (percent(s, 85))
		return mood;
	return percent(s, 50) ? MOOD_GOOD : (enum mood)range(s, 0, MOODS - 1);
}

static void random_pull(uint64_t *s, struct ref_probe *p, usec_t w) {
	enum mood mood = MOOD_GOOD;

	p->interval = percent(s, 50) ? MAX(10 * USEC_PER_MSEC, range_msec(s, w / 20, w / 3))
				     : MAX(5 * USEC_PER_MSEC, range_msec(s, w / 50, w * 6 / 5));
	p->timeout = percent(s, 50) ? p->interval * 4 / 5 : any_size(s, p->interval * 2);
	p->fast = percent(s, 50) ? p->interval / 2 : any_size(s, p->interval);
	p->start_interval =
		percent(s, 50) ? MIN(p->interval, 500 * USEC_PER_MSEC) : any_size(s, p->interval);
	p->phase = range(s, 1, p->interval);
	p->fall = percent(s, 50) ? 3 : (unsigned)range(s, 1, 10);
	p->n_looks = range(s, 1, REF_SCRIPT);
	for (size_t i = 0; i < p->n_looks; i++) {
		struct ref_look *l = &p->looks[i];

		mood = next_mood(s, mood);
		l->verdict = verdict_of(s, mood);
		l->duration = percent(s, 80)   ? any_size(s, p->timeout / 2)
			      : percent(s, 80) ? any_size(s, p->timeout * 2)
					       : REF_FOREVER;
	}
}

static void random_push(uint64_t *s, struct ref_probe *p, const struct ref_case *c, unsigned with) {
	enum mood mood = MOOD_GOOD;
	usec_t at = 0, w = c->watchdog;

	p->silence = percent(s, 10)   ? REF_FOREVER
		     : percent(s, 50) ? w * 4 / 5
				      : range_msec(s, w / 5, w * 2);
	p->fall = percent(s, 80) ? 1 : (unsigned)range(s, 1, 3);
	p->n_pushes = range(s, 0, REF_SCRIPT);
	for (size_t i = 0; i < p->n_pushes; i++) {
		struct ref_push *push = &p->pushes[i];

		mood = next_mood(s, mood);
		at += any_size(s, percent(s, 93) ? MIN(p->silence, w) : 2 * w);
		*push = (struct ref_push){.at = at, .said = REF_BEAT};
		push->verdict = percent(s, 75) ? REF_PASS : verdict_of(s, mood);
		if (percent(s, 3)) {
			push->said = REF_SET_LEASE;
			push->usec = MAX(USEC_PER_MSEC, range_msec(s, w / 10, w * 3 / 2));
		} else if (percent(s, 4)) {
			push->said = REF_EXTEND;
			push->usec = range_msec(s, 0, 2 * w);
		} else if ((with & DRIVE_ENDS) && percent(s, 2)) {
			push->said = REF_CLOSED;
		} else if ((with & DRIVE_ENDS) && percent(s, 2)) {
			push->said = REF_TRIGGER;
		}
	}
}

/* A push probe that is looked at; also where the silence is shorter than the interval. */
static void random_watched(uint64_t *s, struct ref_probe *p, usec_t w) {
	enum mood mood = MOOD_GOOD;

	p->is_watched = true;
	p->silence = percent(s, 10)   ? REF_FOREVER
		     : percent(s, 50) ? w * 4 / 5
				      : range_msec(s, w / 5, w * 2);
	p->interval =
		MAX(5 * USEC_PER_MSEC, range_msec(s, w / 50, percent(s, 80) ? w / 4 : w * 6 / 5));
	p->fast = p->start_interval = p->interval;
	/* Never 0, also where all times are made smaller: a look would follow itself. */
	p->phase = range_msec(s, USEC_PER_MSEC, p->interval);
	p->fall = 1;
	p->n_looks = range(s, 1, REF_SCRIPT);
	for (size_t i = 0; i < p->n_looks; i++) {
		mood = next_mood(s, mood);
		p->looks[i].verdict = mood == MOOD_BAD || percent(s, 30) ? REF_NOTHING
				      : mood == MOOD_BLIND               ? REF_UNKNOWN
									 : REF_PASS;
	}
}

static void random_spans(uint64_t *s, struct ref_span *spans, usec_t end_at, usec_t longest) {
	size_t n = range(s, 1, 4);

	for (size_t i = 0; i < n; i++) {
		/* The first turn, at 0, always runs. */
		spans[i].from = range_msec(s, USEC_PER_MSEC, end_at);
		spans[i].to = spans[i].from + any_size(s, longest);
		spans[i].process = percent(s, 80) ? REF_STOPPED : REF_TRACED;
	}
}

static void random_drills(uint64_t *s, struct ref_case *c) {
	usec_t at = 0;

	c->n_drills = range(s, 1, REF_DRILLS);
	for (size_t i = 0; i < c->n_drills; i++) {
		at = range_msec(s, at, c->end_at);
		c->drills[i] = (struct ref_drill){at, range(s, 0, c->n_probes - 1)};
	}
}

static usec_t random_watchdog(uint64_t *s) {
	unsigned kind = (unsigned)range(s, 0, 99);

	if (kind < 70)
		return range_msec(s, 500 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
	return kind < 90 ? range_msec(s, 2 * USEC_PER_SEC, 10 * USEC_PER_SEC)
			 : range_msec(s, 10 * USEC_PER_SEC, 120 * USEC_PER_SEC);
}

void drive_random_case(struct ref_case *ret_case, uint64_t seed, unsigned with) {
	uint64_t state = seed, *s = &state;
	struct ref_case *c = ret_case;
	usec_t w, longest;
	size_t n_counting = 0;

	memset(c, 0, sizeof(*c));
	w = c->watchdog = random_watchdog(s);
	/* A model that steps through milliseconds is slow where W is long: few of those run long.
	 */
	longest = percent(s, 1) ? 5 * w : MIN(5 * w, 6 * USEC_PER_SEC);
	c->end_at = range_msec(s, longest / 3, longest);
	c->ready_at = percent(s, 50)   ? range_msec(s, 0, MIN(w / 4, c->end_at))
		      : percent(s, 90) ? range_msec(s, 0, MIN(2 * w, c->end_at))
				       : REF_FOREVER;
	c->stop_at = c->trigger_at = REF_FOREVER;
	if ((with & DRIVE_ENDS) && percent(s, 25))
		c->stop_at = range_msec(s, 0, c->end_at);
	if ((with & DRIVE_ENDS) && percent(s, 5))
		c->trigger_at = range_msec(s, 0, c->end_at);
	c->warns = percent(s, 8);
	c->latches = !c->warns && percent(s, 10);
	c->n_probes = percent(s, 5) ? 0 : percent(s, 40) ? 1 : range(s, 1, REF_PROBES);
	for (size_t i = 0; i < c->n_probes; i++) {
		struct ref_probe *p = &c->probes[i];

		p->is_pull = percent(s, 60);
		p->is_optional = percent(s, 12);
		n_counting += !p->is_optional;
		p->rise = percent(s, 60) ? 1 : (unsigned)range(s, 1, 5);
		if (p->is_pull)
			random_pull(s, p, w);
		else if (percent(s, 30))
			random_watched(s, p, w);
		else
			random_push(s, p, c, with);
		if (percent(s, 20)) {
			p->window_y = (unsigned)range(s, 1, percent(s, 70) ? 10 : 64);
			p->window_x = (unsigned)range(s, 1, p->window_y);
		}
		p->has_start_period = percent(s, 30);
		if (p->has_start_period)
			p->start_period = range_msec(s, 0, 2 * w);
	}
	c->required = percent(s, 50)   ? n_counting
		      : percent(s, 50) ? MIN(n_counting, (size_t)1)
				       : range(s, MIN(n_counting, (size_t)1), n_counting);
	if ((with & DRIVE_STOPPED) && percent(s, 35))
		random_spans(s, c->process, c->end_at, w * 3 / 2);
	if ((with & DRIVE_STALLS) && percent(s, 35))
		random_spans(s, c->stalls, c->end_at, w * 3);
	if ((with & DRIVE_FULL) && percent(s, 25))
		random_spans(s, c->full, c->end_at, w);
	if ((with & DRIVE_PAUSES) && percent(s, 30))
		random_spans(s, c->pauses, c->end_at, w * 3);
	if ((with & DRIVE_PAUSES) && c->n_probes > 0 && percent(s, 20))
		random_drills(s, c);
}

static void scale(uint64_t *usec, uint64_t up, uint64_t down) {
	if (*usec != REF_FOREVER)
		*usec = *usec * up / down;
}

static void scale_spans(struct ref_span *spans, uint64_t up, uint64_t down) {
	for (size_t i = 0; i < REF_SPANS; i++) {
		scale(&spans[i].from, up, down);
		scale(&spans[i].to, up, down);
	}
}

void drive_scale_case(struct ref_case *c, uint64_t up, uint64_t down) {
	uint64_t *const times[] = {&c->watchdog, &c->ready_at, &c->stop_at, &c->trigger_at,
				   &c->end_at};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		scale(times[i], up, down);
	for (size_t i = 0; i < c->n_probes; i++) {
		struct ref_probe *p = &c->probes[i];
		uint64_t *const own[] = {&p->start_period, &p->silence, &p->interval,
					 &p->timeout,      &p->fast,    &p->start_interval,
					 &p->phase};

		for (size_t k = 0; k < ARRAY_SIZE(own); k++)
			scale(own[k], up, down);
		for (size_t k = 0; k < p->n_looks; k++)
			scale(&p->looks[k].duration, up, down);
		for (size_t k = 0; k < p->n_pushes; k++) {
			scale(&p->pushes[k].at, up, down);
			scale(&p->pushes[k].usec, up, down);
		}
	}
	scale_spans(c->process, up, down);
	scale_spans(c->stalls, up, down);
	scale_spans(c->full, up, down);
	scale_spans(c->pauses, up, down);
	for (size_t i = 0; i < c->n_drills; i++)
		scale(&c->drills[i].at, up, down);
}
