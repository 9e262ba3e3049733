/* SPDX-License-Identifier: MIT */
#include "core/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"

static const struct {
	const char *tag;
	enum verdict verdict;
	const char *text;
} causes[CAUSE_MAX] = {
	[CAUSE_OK] = {"ok", VERDICT_PASS, "ok"},
	[CAUSE_DEGRADED] = {"degraded", VERDICT_WARN, "works, but not well"},
	[CAUSE_HTTP_STATUS] = {"http-status", VERDICT_FAIL, "wrong HTTP status"},
	[CAUSE_HTTP_PROTOCOL] = {"http-protocol", VERDICT_FAIL, "not a valid HTTP response"},
	[CAUSE_BODY_MISMATCH] = {"body-mismatch", VERDICT_FAIL, "the body does not match"},
	[CAUSE_CONNECT_REFUSED] = {"connect-refused", VERDICT_FAIL, "connection refused"},
	[CAUSE_CONNECT_TIMEOUT] = {"connect-timeout", VERDICT_FAIL, "no connection in time"},
	[CAUSE_CONNECT_FAILED] = {"connect-failed", VERDICT_FAIL, "cannot connect"},
	[CAUSE_READ_TIMEOUT] = {"read-timeout", VERDICT_FAIL, "no complete answer in time"},
	[CAUSE_READ_FAILED] = {"read-failed", VERDICT_FAIL, "the connection broke"},
	[CAUSE_WRONG_PEER] = {"wrong-peer", VERDICT_FAIL, "another process answers there"},
	[CAUSE_NOT_ACCEPTING] = {"not-accepting", VERDICT_FAIL, "accepts no connections"},
	[CAUSE_TLS] = {"tls", VERDICT_FAIL, "TLS failed"},
	[CAUSE_DNS] = {"dns", VERDICT_UNKNOWN, "the name cannot be resolved"},
	[CAUSE_SILENT] = {"silent", VERDICT_FAIL, "no sign of life in time"},
	[CAUSE_STALE] = {"stale", VERDICT_FAIL, "no good look in time"},
	[CAUSE_CLOSED] = {"closed", VERDICT_FAIL, "every writer closed the pipe"},
	[CAUSE_TRIGGER] = {"trigger", VERDICT_FAIL, "the service asked for it (WATCHDOG=trigger)"},
	[CAUSE_MISSING] = {"missing", VERDICT_UNKNOWN, "the file does not exist"},
	[CAUSE_EXIT_CODE] = {"exit-code", VERDICT_FAIL, "exited with an error"},
	[CAUSE_KILLED] = {"killed", VERDICT_FAIL, "killed by a signal"},
	[CAUSE_TIMEOUT] = {"timeout", VERDICT_FAIL, "took too long"},
	[CAUSE_GONE] = {"gone", VERDICT_FAIL, "the process is gone"},
	[CAUSE_STOPPED] = {"stopped", VERDICT_FAIL,
			   "the process is stopped (SIGCONT continues it)"},
	[CAUSE_TRACED] = {"traced", VERDICT_WARN, "the process is being traced"},
	[CAUSE_NOT_SERVING] = {"not-serving", VERDICT_FAIL, "says that it is not serving"},
	[CAUSE_DRILL] = {"drill", VERDICT_FAIL,
			 "counts as failed for a drill, until sdwdctl resume"},
	[CAUSE_CANNOT_RUN] = {"cannot-run", VERDICT_UNKNOWN, "the check cannot be run"},
	[CAUSE_PROBER] = {"prober", VERDICT_UNKNOWN, "the prober cannot look"},
	[CAUSE_SELF] = {"self", VERDICT_UNKNOWN, "sdwd cannot look"},
};

const char *verdict_str(enum verdict verdict) {
	static const char *const names[VERDICT_MAX] = {
		[VERDICT_PASS] = "pass",
		[VERDICT_WARN] = "warn",
		[VERDICT_FAIL] = "fail",
		[VERDICT_UNKNOWN] = "unknown",
	};

	assert(verdict < VERDICT_MAX);
	return names[verdict];
}

const char *cause_str(enum cause cause) {
	assert(cause < CAUSE_MAX);
	return causes[cause].tag;
}

enum verdict cause_verdict(enum cause cause) {
	assert(cause < CAUSE_MAX);
	return causes[cause].verdict;
}

const char *cause_text(enum cause cause) {
	assert(cause < CAUSE_MAX);
	return causes[cause].text;
}

void outcome_set(struct outcome *o, enum cause cause, const char *format, ...) {
	char raw[2 * OUTCOME_TEXT_MAX];
	va_list arguments;

	o->cause = cause;
	o->verdict = cause_verdict(cause);
	o->latency_usec = 0;
	if (!format) {
		snprintf(o->text, sizeof(o->text), "%s", cause_text(cause));
		return;
	}
	va_start(arguments, format);
	vsnprintf(raw, sizeof(raw), format, arguments);
	va_end(arguments);
	(void)text_clean(o->text, sizeof(o->text), raw, strlen(raw));
}

void outcome_from_wait_status(struct outcome *o, int status) {
	char name[SIGNAL_STR_MAX];

	if (WIFSIGNALED(status)) {
		outcome_set(o, CAUSE_KILLED, "killed by %s%s", signal_str(name, WTERMSIG(status)),
			    WCOREDUMP(status) ? " (core dumped)" : "");
		return;
	}
	assert(WIFEXITED(status));
	switch (WEXITSTATUS(status)) {
	case 0:
		outcome_set(o, CAUSE_OK, NULL);
		break;
	case 126:
	case 127:
		outcome_set(o, CAUSE_CANNOT_RUN, "exited with %d: the command cannot be run",
			    WEXITSTATUS(status));
		break;
	default:
		outcome_set(o, CAUSE_EXIT_CODE, "exited with %d", WEXITSTATUS(status));
	}
}

void outcome_from_errno(struct outcome *o, const char *what, int error) {
	outcome_set(o, CAUSE_SELF, "sdwd cannot look: %s: %s", what, strerror(error));
}
