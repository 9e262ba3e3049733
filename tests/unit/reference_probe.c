/* SPDX-License-Identifier: MIT */
#include "reference_inside.h"

uint64_t ref_least(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

uint64_t ref_most(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

uint64_t ref_plus(uint64_t a, uint64_t b) {
	return a > REF_FOREVER - b ? REF_FOREVER : a + b;
}

uint64_t ref_kth_largest(uint64_t *values, size_t n, size_t k) {
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (values[j] > values[i]) {
				uint64_t t = values[i];

				values[i] = values[j];
				values[j] = t;
			}
	return k == 0 || k > n ? 0 : values[k - 1];
}

uint64_t ref_slack(const struct ref_case *c) {
	return ref_least(500 * REF_MS, c->watchdog / 20);
}

uint64_t ref_lease(const struct ref_case *c, const struct ref_probe *p) {
	if (p->is_watched)
		return ref_plus(p->silence, p->interval + ref_slack(c));
	if (!p->is_pull)
		return p->silence;
	return p->interval + (p->fall - 1) * ref_most(p->fast, p->timeout) + p->timeout +
	       ref_slack(c);
}

/* One probe: its whole history, read from the beginning -------------------------------------- */

static bool window_is_full(const struct ref_probe *p, const bool *failed, size_t n) {
	size_t from = n > p->window_y ? n - p->window_y : 0, count = 0;

	if (p->window_x == 0)
		return false;

	for (size_t i = from; i < n; i++)
		count += failed[i];
	return count >= p->window_x;
}

static void renew(struct opinion *o, const struct ref_case *c, uint64_t at) {
	o->has_lease = true;
	o->until = ref_plus(at, o->lease);
	o->until_w = ref_plus(at, ref_most(o->lease, c->watchdog));
}

static void lose(struct opinion *o) {
	o->was_start_lost |= !o->has_passed;
	o->is_down = true;
	o->has_lease = false;
	o->passes = 0;
}

void ref_read_history(const struct ref_case *c, const struct ref_probe *p,
		      const struct entry *history, size_t n, struct opinion *ret_opinion) {
	static bool failed[REF_HISTORY];
	struct opinion o = {.lease = ref_lease(c, p)};
	size_t n_failed = 0;

	for (size_t k = 0; k < n; k++) {
		const struct entry *e = &history[k];
		enum ref_verdict verdict = e->verdict;

		switch (e->kind) {
		case READY:
			o.is_ready = true;
			if (!o.has_passed && !o.is_down) {
				uint64_t end =
					ref_most(ref_plus(e->at, o.lease), e->at + c->watchdog);

				if (p->has_start_period)
					end = ref_most(end, p->start_period);
				o.has_lease = true;
				o.until = o.until_w = end;
				o.fails = 0;
				n_failed = 0;
			}
			break;
		case EXPIRED:
			lose(&o);
			break;
		case CLOSED:
			o.is_closed = true;
			lose(&o);
			break;
		case TRIGGERED:
			o.was_triggered = true;
			lose(&o);
			break;
		case DRILLED:
			o.is_drilled = true;
			lose(&o);
			break;
		case RESUMED:
			o.fails = o.passes = 0;
			n_failed = 0;
			o.is_warned = o.is_closed = o.was_triggered = false;
			/* Before READY what went bad starts once more. */
			o.has_passed &= o.is_ready || !o.is_down;
			o.is_drilled = o.is_down = o.was_start_lost = false;
			if (o.is_ready) {
				uint64_t end =
					ref_most(ref_plus(e->at, o.lease), e->at + c->watchdog);

				if (!o.has_passed && p->has_start_period)
					end = ref_most(end, p->start_period);
				if (o.has_lease)
					end = ref_most(end, o.until);
				o.has_lease = true;
				o.until = o.until_w = end;
			}
			break;
		case CREDITED:
			if (o.has_lease) {
				o.until = ref_plus(o.until, e->usec);
				o.until_w = ref_plus(o.until_w, e->usec);
			}
			break;
		case EXTENDED:
			if (o.is_ready && o.has_lease) {
				o.until = ref_most(o.until, ref_plus(e->at, e->usec));
				o.until_w = ref_most(o.until_w, ref_plus(e->at, e->usec));
			}
			break;
		case SET_LEASE:
			o.lease = e->usec;
			verdict = REF_PASS;
			__attribute__((fallthrough));
		case VERDICT:
			if (o.is_drilled)
				break;
			if (verdict == REF_PASS || verdict == REF_WARN) {
				o.has_passed = true;
				o.is_warned = verdict == REF_WARN;
				o.fails = 0;
				failed[n_failed++] = false;
				if (o.is_down) {
					if (++o.passes < p->rise)
						break;
					o.is_down = o.is_closed = o.was_triggered = false;
					n_failed = 0;
				}
				renew(&o, c, e->at);
			} else if (verdict == REF_FAIL) {
				o.passes = 0;
				if (!o.has_passed &&
				    (!p->has_start_period || e->at < p->start_period))
					break;
				o.fails++;
				failed[n_failed++] = true;
				/* Before READY, what never passed is not bad but not ready. */
				if (o.has_lease &&
				    (o.fails >= p->fall || window_is_full(p, failed, n_failed)))
					lose(&o);
			}
			break;
		}
	}
	*ret_opinion = o;
}
