/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/* The largest datagram that systemd takes (NOTIFY_BUFFER_MAX = PIPE_BUF); a larger one is dropped
 * whole. */
#define NOTIFY_MSG_MAX 4096

/* The fields of sd_notify(3) that sdwd acts on, as bits of notify_msg.fields. */
enum notify_field {
	NOTIFY_READY = 1 << 0,
	NOTIFY_WATCHDOG = 1 << 1,
	NOTIFY_WATCHDOG_TRIGGER = 1 << 2,
	NOTIFY_WATCHDOG_USEC = 1 << 3,
	NOTIFY_EXTEND_TIMEOUT = 1 << 4,
	NOTIFY_STATUS = 1 << 5,
	NOTIFY_STOPPING = 1 << 6,
	NOTIFY_RELOADING = 1 << 7,
	NOTIFY_MONOTONIC = 1 << 8,
	NOTIFY_FDSTORE = 1 << 9,
	NOTIFY_FDSTOREREMOVE = 1 << 10,
	NOTIFY_FDNAME = 1 << 11,
	NOTIFY_FDPOLL = 1 << 12,
	NOTIFY_BARRIER = 1 << 13,
	NOTIFY_MAINPID = 1 << 14,
	NOTIFY_MAINPIDFD = 1 << 15, /* also MAINPIDFDID= */
	NOTIFY_ACCESS = 1 << 16,
	NOTIFY_OTHER = 1 << 17, /* any field not named here: forwarded as it stands */
};

/*
 * One datagram or one heartbeat line, taken apart. Values point into the caller's buffer, end at
 * the line's end, and stand as they were sent: the backslashes that systemd takes out of a line are
 * still in them.
 */
struct notify_msg {
	unsigned fields;
	const char *status; /* NOTIFY_STATUS: value, not terminated, valid UTF-8 */
	size_t status_length;
	const char *access; /* NOTIFY_ACCESS */
	size_t access_length;
	usec_t watchdog_usec;       /* NOTIFY_WATCHDOG_USEC; 0 and USEC_INFINITY as sent */
	usec_t extend_timeout_usec; /* NOTIFY_EXTEND_TIMEOUT, never 0 or USEC_INFINITY */
	usec_t monotonic_usec;      /* NOTIFY_MONOTONIC */
	pid_t mainpid;              /* NOTIFY_MAINPID, above 0 */
	bool is_barrier_alone;      /* BARRIER=1 and nothing else, as systemd wants it */
};

/*
 * Takes @length bytes apart as systemd does: lines split at '\n' and '\r', empty ones skipped, the
 * first of two equal fields wins (also where its value is malformed), values exact ("READY=0" and
 * "READY=1 " are nothing), unknown fields NOTIFY_OTHER, malformed numbers ignored, one trailing NUL
 * tolerated. Returns 0, -EBADMSG (NUL inside, or a backslash as last byte), -EMSGSIZE (above
 * NOTIFY_MSG_MAX), or -ENODATA (no line).
 */
int notify_msg_parse(struct notify_msg *m, const char *data, size_t length);

/*
 * Copies the lines of @data whose field is in @keep into @buffer (NOTIFY_MSG_MAX bytes), in their
 * order, whatever their values; WATCHDOG=trigger is NOTIFY_WATCHDOG_TRIGGER, every other WATCHDOG=
 * NOTIFY_WATCHDOG. Of several STATUS= lines only the first is kept, and only where it is valid
 * UTF-8: systemd would clear the status instead. Where @status is not NULL the STATUS= line is
 * replaced by it, or it is added at the end, whatever @keep says; it is one line as
 * notify_msg_escape() makes it, and is cut at a UTF-8 boundary so that all fits. Data that
 * notify_msg_parse() refuses counts as empty. Returns the length without a final NUL, 0 where
 * nothing is left.
 */
size_t notify_msg_filter(char *buffer, const char *data, size_t length, unsigned keep,
			 const char *status);

/*
 * Writes @text into @buffer (@size at least 1) in the form that a STATUS= line needs: backslashes
 * doubled, line ends as blanks, cut between two characters where it does not fit. Returns the
 * length; terminated.
 */
size_t notify_msg_escape(char *buffer, size_t size, const char *text);
