/* SPDX-License-Identifier: MIT */
#pragma once

#include "reference.h"

/* What the files of the naive model share. */

#define REF_MS UINT64_C(1000)
#define REF_HISTORY 20000

enum entry_kind {
	VERDICT,
	EXPIRED,
	CLOSED,
	TRIGGERED,
	READY,
	CREDITED,
	SET_LEASE,
	EXTENDED,
	DRILLED,
	RESUMED
};

/* One thing that happened to a probe. */
struct entry {
	enum entry_kind kind;
	uint64_t at;
	uint64_t usec;
	enum ref_verdict verdict;
};

/* What a history says. */
struct opinion {
	bool has_passed, is_ready, is_down, is_closed, is_warned;
	bool has_lease;
	bool was_start_lost; /* went bad before its first pass */
	bool is_drilled;     /* nothing that it says makes it good */
	unsigned fails, passes;
	uint64_t lease;     /* L as it is now */
	uint64_t until;     /* t + L */
	uint64_t until_w;   /* t + max(L, W) */
	bool was_triggered; /* and did not become good again */
};

/* Sums that stay REF_FOREVER where they would be more. */
uint64_t ref_least(uint64_t a, uint64_t b);
uint64_t ref_most(uint64_t a, uint64_t b);
uint64_t ref_plus(uint64_t a, uint64_t b);

/* The @k-th largest of @values (which get sorted), 0 where there are fewer. */
uint64_t ref_kth_largest(uint64_t *values, size_t n, size_t k);

/* min(500ms, W/20) */
uint64_t ref_slack(const struct ref_case *c);

/* Reads the @n entries of @history of probe @p from the first to the last. */
void ref_read_history(const struct ref_case *c, const struct ref_probe *p,
		      const struct entry *history, size_t n, struct opinion *ret_opinion);
