/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/health.h"
#include "core/pinger.h"
#include "core/quorum.h"
#include "core/schedule.h"
#include "core/stall.h"

/*
 * The thinking of sdwd in one pure object: all probes, the process, their composite, the pings and
 * the stalls.  Events go in with their time, decisions come out; the supervisor performs them.
 * Nothing here reads a clock.
 *
 * One turn of the owner's loop: monitor_stall() where it woke late, then events (monitor_feed,
 * monitor_process, ...), then looks that timed out, then monitor_judge(), then monitor_ping_due();
 * then sleep until monitor_next_at().
 */

#define MONITOR_PROBES_MAX QUORUM_MAX

enum process_state { PROCESS_RUNNING, PROCESS_TRACED, PROCESS_STOPPED };

enum service_health { SERVICE_HEALTHY, SERVICE_DEGRADED, SERVICE_UNHEALTHY };

struct monitor_probe {
	struct health health;
	struct schedule schedule; /* of what is looked at; stopped for the others */
	bool is_scheduled;
	bool is_optional;
	bool is_triggering; /* said WATCHDOG=trigger, and was not good since */
	bool is_drilled;    /* counts as failed, whatever is found out */
};

struct monitor_probe_conf {
	struct health_conf health;
	struct schedule_conf schedule;
	bool is_scheduled; /* it is looked at: each pull probe, and a push probe that cannot speak
			    */
	bool is_optional;
};

/* The process stands where a probe's index is asked for. */
#define MONITOR_PROCESS (-1)

struct monitor {
	usec_t watchdog_usec; /* W */
	usec_t slack_usec;
	size_t required;     /* K; 0: the process alone */
	bool ignores_health; /* --on-unhealthy=warn: pings follow the process alone */
	bool is_ready;
	bool is_stopping;  /* nothing is judged any more */
	bool is_triggered; /* the child said WATCHDOG=trigger: some probe, or for good */
	bool is_triggered_for_good;
	bool is_latched; /* unhealthy for good */
	bool is_paused;  /* the service's health stays what it was, pings go on */
	enum service_health service;
	ptrdiff_t
		culprit; /* what turned the service unhealthy, a probe's index or MONITOR_PROCESS */
	enum process_state process;
	usec_t process_good_at; /* the last look that saw it run */
	usec_t process_look_at; /* when the next look is due */
	struct pinger pinger;
	struct stall stall;
	size_t n_probes;
	struct monitor_probe
		probes[MONITOR_PROBES_MAX]; /* those beyond n_probes are never touched */
};

/*
 * @required: how many of the probes that are not optional must be good (0 only where there are
 * none). @now: the child was started. All that is scheduled is looked at at once.
 */
void monitor_init(struct monitor *m, usec_t watchdog_usec, const struct monitor_probe_conf *probes,
		  size_t n_probes, size_t required, bool ignores_health, usec_t now);

/* What became known, all at @now. */
enum health_edge monitor_feed(struct monitor *m, size_t i, enum verdict verdict, usec_t now);
void monitor_process(struct monitor *m, enum process_state state, usec_t now);

/* A look of scheduled probe @i begins, or ended with @verdict (then monitor_feed() is done here).
 */
void monitor_look_started(struct monitor *m, size_t i, usec_t now);
enum health_edge monitor_look_ended(struct monitor *m, size_t i, enum verdict verdict, usec_t now);

/* It ended with nothing new, neither good nor bad: only the next one is planned. */
void monitor_look_idle(struct monitor *m, size_t i, usec_t now);

/* Probe @i is bad whatever its streak (closed). */
enum health_edge monitor_end_probe(struct monitor *m, size_t i);

/*
 * The child said WATCHDOG=trigger: unhealthy at once, until probe @i (or nothing, MONITOR_PROCESS:
 * for good) is good again.
 */
void monitor_trigger(struct monitor *m, ptrdiff_t i);

/* L of probe @i changed (WATCHDOG_USEC= of the child), from its next good evidence on: feed the
 * beat that such a message is. */
void monitor_set_lease(struct monitor *m, size_t i, usec_t lease_usec);

/* The manager took READY=1. */
void monitor_ready(struct monitor *m, usec_t now);

/* All probes that must be good are, and the process runs: what --ready=healthy waits for. */
bool monitor_is_good(const struct monitor *m);

/*
 * Ends the leases that ran out by @now and finds the service's health anew. Returns true where it
 * changed: see service and culprit.
 */
bool monitor_judge(struct monitor *m, usec_t now);

/*
 * The time of the next ping, USEC_INFINITY for none. Due by @now: look at the process,
 * monitor_process(), monitor_judge(), and ask again; still due: send it, and say so by
 * pinger_sent() or pinger_failed().
 */
usec_t monitor_ping_due_at(const struct monitor *m);

/*
 * The loop woke at @now, later than @scheduled_at (what monitor_next_at() or another deadline said)
 * by more than the slack; signals were read and no stop is pending. First: was it healthy at the
 * scheduled time, so that a ping goes before all else? Then, after that ping: the gap, and the
 * slack on top, are taken out of time as far as the budget allows; returns that credit.
 */
bool monitor_stall_wants_ping(const struct monitor *m, usec_t scheduled_at);
usec_t monitor_stall_credit(struct monitor *m, usec_t scheduled_at, usec_t now);

/* A stop began, or the action is latched: no ping, no judgement, no look ever after. */
void monitor_stop(struct monitor *m);

/* Unhealthy for good (trigger, kill): as monitor_stop() for pings, but looks go on being shown. */
void monitor_latch(struct monitor *m);

/*
 * Maintenance: from READY=1 on a ping is due every W/2, whatever probes and process say, and no
 * judgement changes the service's health; looks and leases go on. Not after monitor_stop() or
 * monitor_latch(), where it would change nothing.
 */
void monitor_pause(struct monitor *m);

/*
 * Ends pause and drills at @now: streaks and windows begin anew, each probe gets the lease that
 * READY=1 gives (before READY=1: none), the process counts as seen, and the child's triggers are
 * forgotten but for the one that is for good.
 */
void monitor_resume(struct monitor *m, usec_t now);

/*
 * Probe @i counts as failed from now on, until monitor_resume(). Not before READY=1, while paused,
 * or after monitor_stop() or monitor_latch().
 */
enum health_edge monitor_drill(struct monitor *m, size_t i);

/* The earliest time at which something above is due: a look's start or deadline, a lease's end, the
 * process, a ping. */
usec_t monitor_next_at(const struct monitor *m);

/* Of the composite: when the last good evidence was read (for "last good 20s ago"), 0: never. */
usec_t monitor_evidence_at(const struct monitor *m);
