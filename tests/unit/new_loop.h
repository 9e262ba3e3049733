/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <stdlib.h>

/* A loop that has opened already what it keeps open. */
static inline struct ev_loop *new_loop(void) {
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);

	if (!loop)
		abort();
	ev_run(loop, EVRUN_NOWAIT);
	return loop;
}
