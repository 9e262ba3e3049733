/* SPDX-License-Identifier: MIT */
#pragma once

#include "sys/dial.h"

#define NOT_YET INT32_MIN

/* A dial and what came of it. */
struct dial_fixture {
	struct ev_loop *loop;
	struct dial dial;
	struct dial_target target;
	int result; /* an fd, a negative errno, or NOT_YET */
	unsigned n_results;
	size_t n_fds; /* open at the start */
	char folder[32];
};

int dial_fixture_setup(void **state);
int dial_fixture_teardown(void **state); /* also checks that no fd was left open */

/* Runs the loop until there is a result, or for @seconds. */
void dial_fixture_run(struct dial_fixture *f, double seconds);

/* Dials the target to the end. Returns an fd, which stays the fixture's, or a negative errno. */
int dial_fixture_dial(struct dial_fixture *f);

int peer_family(int fd);

#define dial_test(function) \
	cmocka_unit_test_setup_teardown(function, dial_fixture_setup, dial_fixture_teardown)
