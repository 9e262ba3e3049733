/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * Calls that may never return and cannot be called off, like getaddrinfo(3), or stat(2) on a dead
 * file server.  For each key at most one thread waits in such a call, which all that want its
 * result share; who does not want to wait any longer leaves it alone.
 */
struct flight_kind {
	/* Puts what it finds for @key into @ret, which has result_size bytes; in a thread of its
	 * own. */
	void (*work)(const char *key, void *ret);
	size_t result_size;
	usec_t fresh_usec; /* a result that nobody waited for is good for so long, for the next one
			    */
};

/*
 * The result for @key, waited for until @until_at (CLOCK_MONOTONIC). Returns NULL with *@ret, or
 * why there is none.
 */
const char *single_flight(const struct flight_kind *kind, const char *key, usec_t until_at,
			  void *ret);
