/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/match.h"
#include "base/optab.h"
#include "core/outcome.h"
#include "sys/dial.h"

/* What one look sends at most. */
#define STREAM_SEND_MAX (16 * 1024)

struct probe;
struct host_port;

struct stream_text {
	char *data; /* owned; NULL: none */
	size_t length;
};

/*
 * What a look at a stream socket asks: the part that --tcp and --unix share. It stands first in
 * their settings. Zeroed before the table's defaults.
 */
struct stream_settings {
	struct stream_text send;
	struct pattern *expect; /* NULL: no answer is asked for */
	/* made by the kind's check */
	struct dial_target target;
	const struct host_port *name; /* to be looked up, then target is empty; NULL: it is not */
	/*
	 * Judges for @p who is at the other end of @fd, before anything is sent. True: *@ret is the
	 * outcome; false: the look goes on. NULL: anybody is right.
	 */
	bool (*judge_peer)(struct probe *p, int fd, struct outcome *ret);
};

/* For option tables: TEXT with C escapes, or @FILE, read now. The field is a struct stream_text. */
opt_parse_t stream_parse_send;

/* The rows of the shared options, for the table of a kind. */
#define STREAM_OPTIONS \
	{ \
		.name = "send", \
		.argument = "TEXT", \
		.help = "what is sent once connected, with C escapes (\\r\\n); @FILE: the bytes " \
			"of a file", \
		.parse = stream_parse_send, \
		.offset = offsetof(struct stream_settings, send), \
		.flags = OPT_OWN_ONLY, \
	}, \
	{ \
		.name = "expect", .argument = "REGEX", \
		.help = "what the answer must match, within its first 10 KiB", \
		.parse = match_parse, .offset = offsetof(struct stream_settings, expect), \
		.flags = OPT_OWN_ONLY, \
	}

/* For struct probe_kind. */
const char *stream_note(const void *settings);
void stream_settings_done(void *settings);
