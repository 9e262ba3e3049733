/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/usec.h"

/* Good evidence, read by sdwd at evidence_at, says "alive until evidence_at + length". length 0: no
 * evidence. */
struct lease {
	usec_t evidence_at;
	usec_t length_usec; /* USEC_INFINITY: without end */
};

/* The tolerance for our own and the machine's lateness: min(500ms, W/20). */
usec_t lease_slack(usec_t watchdog_usec);

/*
 * L of a pull probe: the longest that a live child may go without a good look before `fall`
 * failures in a row must have been seen: interval + (fall - 1) * max(fast, timeout) + timeout +
 * slack.
 */
usec_t lease_length_pull(usec_t interval_usec, usec_t fast_usec, usec_t timeout_usec, unsigned fall,
			 usec_t slack_usec);

/*
 * L of a push probe: the longest silence that is allowed. Where somebody has to look whether there
 * was a sign of life, each @interval_usec (0: it comes by itself), it is seen so much later:
 * silence + interval + slack.
 */
usec_t lease_length_push(usec_t silence_usec, usec_t interval_usec, usec_t slack_usec);

/* When the lease ends; 0 for none, USEC_INFINITY for one without end. */
usec_t lease_end(const struct lease *l);

/* When it would end were its length at least @floor_usec: what counts against systemd's own timer.
 */
usec_t lease_end_floor(const struct lease *l, usec_t floor_usec);

/* Moves it by @gap_usec, the time that a stall took out. */
void lease_shift(struct lease *l, usec_t gap_usec);
