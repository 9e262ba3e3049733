/* SPDX-License-Identifier: MIT */
#include "core/schedule.h"

void schedule_init(struct schedule *s, const struct schedule_conf *conf, usec_t now) {
	*s = (struct schedule){.conf = *conf, .next_at = now};
}

void schedule_started(struct schedule *s, usec_t now) {
	assert(!s->is_looking);
	s->is_looking = true;
	s->started_at = now;
	s->deadline_at = usec_add(now, s->conf.timeout_usec);
}

static usec_t pace_next_at(struct schedule *s, enum schedule_pace pace, usec_t now) {
	switch (pace) {
	case SCHEDULE_START:
		return usec_add(s->started_at, s->conf.start_usec);
	case SCHEDULE_FAST:
		return usec_add(s->started_at, s->conf.fast_usec);
	case SCHEDULE_RETRY:
		return usec_add(now, s->conf.retry_usec);
	case SCHEDULE_STEADY:
		break;
	}
	if (!s->was_steady) {
		s->was_steady = true;
		return usec_add(s->started_at, s->conf.phase_usec);
	}
	return usec_add(s->started_at, s->conf.interval_usec);
}

void schedule_ended(struct schedule *s, enum schedule_pace pace, usec_t now) {
	usec_t next_at;

	assert(s->is_looking);
	s->is_looking = false;
	next_at = pace_next_at(s, pace, now);
	s->next_at = MAX(next_at, now);
}

void schedule_shift(struct schedule *s, usec_t gap_usec) {
	if (s->is_looking)
		s->deadline_at = usec_add(s->deadline_at, gap_usec);
}

void schedule_stop(struct schedule *s) {
	s->is_looking = false;
	s->next_at = USEC_INFINITY;
}

usec_t schedule_next_at(const struct schedule *s) {
	return s->is_looking ? s->deadline_at : s->next_at;
}

usec_t schedule_phase(const char *label, const char *probe, usec_t interval_usec) {
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int part = 0; part < 2; part++)
		for (const char *p = part == 0 ? label : probe;; p++) {
			hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
			if (*p == '\0')
				break;
		}
	/* FNV's low bits follow the last letter closely: fold the high ones in. */
	hash ^= hash >> 32;
	return interval_usec == 0 ? 0 : hash % interval_usec + 1;
}
