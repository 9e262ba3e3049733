/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* What one look says. WARN is good evidence in every count; UNKNOWN means that we could not look.
 */
enum verdict {
	VERDICT_PASS,
	VERDICT_WARN,
	VERDICT_FAIL,
	VERDICT_UNKNOWN,
	VERDICT_MAX,
};

/* Why. Each cause belongs to one verdict, see the table in outcome.c; tags are stable, users grep
 * for them. */
enum cause {
	CAUSE_OK,
	CAUSE_DEGRADED,
	CAUSE_HTTP_STATUS,
	CAUSE_HTTP_PROTOCOL,
	CAUSE_BODY_MISMATCH,
	CAUSE_CONNECT_REFUSED,
	CAUSE_CONNECT_TIMEOUT,
	CAUSE_CONNECT_FAILED,
	CAUSE_READ_TIMEOUT,
	CAUSE_READ_FAILED,
	CAUSE_WRONG_PEER,
	CAUSE_NOT_ACCEPTING,
	CAUSE_TLS,
	CAUSE_DNS,
	CAUSE_SILENT,
	CAUSE_STALE,
	CAUSE_CLOSED,
	CAUSE_TRIGGER,
	CAUSE_MISSING,
	CAUSE_EXIT_CODE,
	CAUSE_KILLED,
	CAUSE_TIMEOUT,
	CAUSE_GONE,
	CAUSE_STOPPED,
	CAUSE_TRACED,
	CAUSE_NOT_SERVING,
	CAUSE_DRILL,
	CAUSE_CANNOT_RUN,
	CAUSE_PROBER,
	CAUSE_SELF,
	CAUSE_MAX,
};

/* For STATUS= and the journal: one line, clean UTF-8. */
#define OUTCOME_TEXT_MAX 200

struct outcome {
	enum verdict verdict;
	enum cause cause;
	usec_t latency_usec;
	char text[OUTCOME_TEXT_MAX];
};

const char *verdict_str(enum verdict verdict);

/* The stable tag ("http-status"), the verdict, and the words for people of a cause. */
const char *cause_str(enum cause cause);
enum verdict cause_verdict(enum cause cause);
const char *cause_text(enum cause cause);

/*
 * Sets @o to @cause and its verdict. @format NULL: the cause's own words; else the text, cleaned to
 * one line. latency_usec becomes 0.
 */
void outcome_set(struct outcome *o, enum cause cause, const char *format, ...) printf_like(3, 4);

/*
 * The outcome of a check that ended with @status (as waitpid(2) gives it): exit 0 OK, 126 and 127
 * CANNOT_RUN, other codes EXIT_CODE, a deadly signal KILLED (the text says which, and whether a
 * core was written).
 */
void outcome_from_wait_status(struct outcome *o, int status);

/* A verdict that came from an errno of ours (EMFILE, ENOMEM, EAGAIN of fork): SELF, "what: error
 * text". */
void outcome_from_errno(struct outcome *o, const char *what, int error);
