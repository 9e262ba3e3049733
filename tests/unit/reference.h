/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A second, deliberately naive model of health, leases, pings and stalls: it walks through every
 * millisecond and works everything out anew from the list of what happened so far.  It shares no
 * code and no header with lib/, so that one misunderstanding cannot hide in both.
 *
 * Times are microseconds since the child was started; what happens, happens on whole milliseconds
 * (a deadline in between is seen at the next one).
 */

#define REF_FOREVER UINT64_MAX
#define REF_PROBES 6
#define REF_SCRIPT 64
#define REF_SPANS 24
#define REF_DRILLS 4
#define REF_LOG 40000

/* REF_NOTHING: of a watched push probe, there was no sign of life since the last look. */
enum ref_verdict { REF_PASS, REF_WARN, REF_FAIL, REF_UNKNOWN, REF_NOTHING };

enum ref_process { REF_RUNNING, REF_TRACED, REF_STOPPED };

enum ref_service { REF_HEALTHY, REF_DEGRADED, REF_UNHEALTHY };

/* A look lasts so long if nobody cuts it off; the script starts again at its end. */
struct ref_look {
	uint64_t duration;
	enum ref_verdict verdict;
};

enum ref_said { REF_BEAT, REF_CLOSED, REF_TRIGGER, REF_SET_LEASE, REF_EXTEND };

struct ref_push {
	uint64_t at;
	enum ref_said said;
	enum ref_verdict verdict; /* REF_BEAT */
	uint64_t usec;            /* REF_SET_LEASE, REF_EXTEND */
};

struct ref_probe {
	bool is_pull, is_optional;
	bool is_watched; /* a push probe that cannot speak: its looks take no time */
	unsigned fall, rise;
	unsigned window_x, window_y; /* 0: off */
	bool has_start_period;
	uint64_t start_period;
	/* push */
	uint64_t silence;
	struct ref_push pushes[REF_SCRIPT];
	size_t n_pushes;
	/* pull, and of these interval, phase and looks where it is watched */
	uint64_t interval, timeout, fast, start_interval;
	uint64_t phase; /* from the start of the look that ended the start to the next look */
	struct ref_look looks[REF_SCRIPT];
	size_t n_looks;
};

struct ref_span {
	uint64_t from, to; /* from <= t < to */
	enum ref_process process;
};

struct ref_drill {
	uint64_t at;
	size_t who;
};

struct ref_case {
	uint64_t watchdog; /* W */
	struct ref_probe probes[REF_PROBES];
	size_t n_probes;
	size_t required; /* K */
	bool warns;      /* --on-unhealthy=warn */
	bool latches;    /* --on-unhealthy=trigger or kill */
	uint64_t ready_at;
	uint64_t stop_at;
	uint64_t trigger_at; /* a trigger that belongs to no probe */
	struct ref_span process[REF_SPANS];
	struct ref_span stalls[REF_SPANS]; /* sdwd does not run */
	struct ref_span full[REF_SPANS];   /* the manager's socket takes nothing */
	struct ref_span pauses[REF_SPANS];
	struct ref_drill drills[REF_DRILLS]; /* in the order of their times */
	size_t n_drills;
	uint64_t end_at;
};

enum ref_kind {
	REF_LOOK_START, /* who */
	REF_LOOK_END,   /* who, arg: verdict */
	REF_PROCESS,    /* a look at the process, arg: what it saw */
	REF_PING,
	REF_REFUSED,
	REF_SERVICE,    /* arg: enum ref_service */
	REF_PROBE_GOOD, /* who, arg: 0 or 1; has a lease */
	REF_IS_GOOD,    /* arg: 0 or 1; what --ready=healthy waits for, before READY */
	REF_CREDIT,     /* arg: microseconds; a ping right before it was the stall's */
	REF_PUSH,       /* who, arg: which of its pushes was read */
	REF_READY,
	REF_STOP,
	REF_PAUSE,
	REF_RESUME,
	REF_DRILL, /* who */
	REF_KINDS,
};

struct ref_event {
	uint64_t at;
	enum ref_kind kind;
	int who;
	uint64_t arg;
};

struct ref_log {
	struct ref_event events[REF_LOG];
	size_t n;
};

/* Appends to @log; what does not fit is dropped. */
void ref_log_add(struct ref_log *log, uint64_t at, enum ref_kind kind, int who, uint64_t arg);

/* Shows a case, and a log around event @at, to people (stderr). */
void ref_print_case(const struct ref_case *c);
void ref_print_log(const char *name, const struct ref_log *log, size_t at);

/* Is @at within one of @spans (the first empty one ends them)?  Returns it, or NULL. */
const struct ref_span *ref_span_at(const struct ref_span *spans, uint64_t at);

/* The lease of good evidence of probe @p. */
uint64_t ref_lease(const struct ref_case *c, const struct ref_probe *p);

/* Walks through @c from 0 to its end and writes down what has to happen. */
void ref_run(const struct ref_case *c, struct ref_log *ret_log);
