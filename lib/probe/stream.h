/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/match.h"
#include "probe/lookup.h"
#include "probe/probe.h"
#include "probe/stream_settings.h"

/*
 * One exchange on a stream socket: connect, send, expect.  The look of --tcp and of --unix, whose
 * classes are made of these functions; their settings begin with a struct stream_settings.
 */

enum stream_phase {
	STREAM_IDLE,
	STREAM_LOOKING_UP,
	STREAM_CONNECTING,
	STREAM_TALKING,
	STREAM_LINGERING, /* the look is over, the server's end is waited for */
};

struct stream_probe {
	struct probe probe;
	enum stream_phase phase;
	struct lookup lookup;
	struct dial dial;
	struct ev_io io;    /* its fd is ours while talking and lingering */
	bool closes_itself; /* the server, as far as was seen */
	size_t sent;
	size_t received;
	size_t matched;     /* bytes that all matches of this look have seen */
	size_t thrown_away; /* after the verdict */
	char answer[MATCH_MAX];
};

/* For struct probe_class, as its contract says; stream_cancel() is also its done(). */
int stream_start(struct probe *p, struct outcome *ret);
void stream_expire(struct probe *p, struct outcome *ret);
void stream_cancel(struct probe *p);
