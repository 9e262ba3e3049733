/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/usec.h"

/*
 * When WATCHDOG=1 is due.  systemd acts W after the last ping, so a ping at t says "alive until t +
 * W": it may be sent only while that is not beyond what the evidence says (D'), and is due so early
 * that systemd never acts before D'.
 */
struct pinger {
	usec_t watchdog_usec;
	bool is_open;    /* the manager took READY=1 */
	bool is_stopped; /* a stop began, or the action is latched: never again */
	usec_t last_at;  /* the last ping, or READY=1 */
	usec_t retry_at; /* not before: the socket was full; 0: none */
};

/* Closed: no ping is due before pinger_open(). */
void pinger_init(struct pinger *p, usec_t watchdog_usec);

/* The manager took READY=1 at @now. */
void pinger_open(struct pinger *p, usec_t now);

/* A stop began: no ping ever after. */
void pinger_stop(struct pinger *p);

/*
 * When a ping is due while healthy, with D' in @horizon_at: max(min(last + W/2, D' - W), last +
 * min(W/10, 1s)); past: at once. USEC_INFINITY: none, because last + W reaches D' already, or
 * before READY, or after a stop.
 */
usec_t pinger_due_at(const struct pinger *p, usec_t horizon_at);

/* The manager took a ping at @now; or did not: again W/20 later. */
void pinger_sent(struct pinger *p, usec_t now);
void pinger_failed(struct pinger *p, usec_t now);
