/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/prober_msg.h"

/*
 * One question to the prober and what comes back (struct probe_owner: ask; app/prober.h). Stands in
 * the struct of whoever asks. Zeroed: nothing is under way.
 */
struct prober_call {
	/* As of struct prober_request; borrowed until the call is over. */
	const char *words;
	size_t words_length;
	/* The last good addresses: sent with each request, replaced by each reply that has some. So
	 * they outlive the prober. */
	struct prober_address addresses[PROBER_ADDRESSES_MAX];
	size_t n_addresses;
	/*
	 * The answer, exactly once for each call, unless it was expired or cancelled before; never
	 * from inside the ask. @reply is borrowed. It may ask again, and end other calls.
	 */
	void (*on_reply)(struct prober_call *call, const struct prober_reply *reply);

	/* private to app/prober.c from here */
	struct prober_call *next;
	uint32_t id; /* 0: nothing is under way */
};
