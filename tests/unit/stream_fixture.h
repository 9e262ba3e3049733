/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "make_settings.h"
#include "probe/stream.h"

/*
 * One probe of --tcp or --unix with its loop, and the server that it looks at, in the same process:
 * the test itself decides what the server does between two turns of the loop.
 */
struct stream_fixture {
	struct ev_loop *loop;
	struct probe_owner owner;
	const struct probe_class *class;
	struct probe_conf conf;
	struct stream_probe *probe; /* NULL until stream_fixture_probe() */
	struct outcome outcome;
	bool is_over;
	unsigned n_outcomes; /* told by on_outcome() */
	pid_t helper;        /* what the owner knows for a process of its own */
	size_t n_fds;
	int listener; /* of the server, -1: none */
	int peer;     /* the server's end of the last connection, -1: none */
	char folder[32];
	char target[64]; /* where the server listens, as the option's value */
	char reason[512];
};

/* A fixture of either class, with a listening server. */
int stream_fixture_setup_tcp(void **state);
int stream_fixture_setup_unix(void **state);
int stream_fixture_teardown(void **state); /* also checks that no fd was left open */

/*
 * Makes the probe for @target from @options (name, value, ..., NULL; or NULL) through the option
 * table, as the command line does. Returns 0, or the negative errno with f->reason.
 */
int stream_fixture_probe(struct stream_fixture *f, const char *target, const char *const *options);

/* Makes the probe for the fixture's own server. */
void stream_fixture_aim(struct stream_fixture *f, const char *const *options);

/* Begins a look, and accepts its connection (stream_fixture_start(): leaves it in the queue). */
void stream_fixture_begin(struct stream_fixture *f);
void stream_fixture_start(struct stream_fixture *f);

/* Runs the loop until the look is over or has heard @received bytes in all. */
void stream_fixture_hear(struct stream_fixture *f, size_t received);

/* Runs the loop until the look is over, and checks what came of it. @text: a part of its text. */
void stream_fixture_expect(struct stream_fixture *f, enum cause cause, const char *text);

/* The server sends, and the look hears it. */
void stream_fixture_say(struct stream_fixture *f, const char *data, size_t length);

/* The server closes the connection. */
void stream_fixture_close(struct stream_fixture *f);

/* The deadline comes: ends the look and checks what came of it. */
void stream_fixture_expire(struct stream_fixture *f, enum cause cause, const char *text);

/* Runs the loop until the connection does not linger any more. */
void stream_fixture_linger(struct stream_fixture *f);

/* No fd is open but that of a connection that lingers. */
void stream_fixture_check_fds(const struct stream_fixture *f);

/* All that came to the server so far and until the other end closes, to free(); NUL behind it. */
char *stream_fixture_heard(struct stream_fixture *f, size_t *ret_length);

#define SAY(f, text) stream_fixture_say(f, "" text, sizeof(text) - 1)
#define tcp_test(function) \
	cmocka_unit_test_setup_teardown(function, stream_fixture_setup_tcp, stream_fixture_teardown)
#define unix_test(function) \
	cmocka_unit_test_setup_teardown(function, stream_fixture_setup_unix, \
					stream_fixture_teardown)
