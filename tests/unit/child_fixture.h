/* SPDX-License-Identifier: MIT */
#pragma once

/* A supervisor's side of the start of a child, for the tests of sys/child. */

#include "process.h"

#include "sys/child.h"

/* What a supervisor has before it starts its child. */
static struct signals signals;
static struct inherit inherit;
static struct child_conf conf;
static struct child child;
static const char *command[8];
static char report_path[256];

static inline void prepare(void) {
	signals_block(&signals);
	CHECK(inherit_init(&inherit) == 0);
	CHECK(signals_open(&signals) == 0);
	conf = (struct child_conf){.command = (char *const *)command,
				   .signals = &signals,
				   .inherit = &inherit};
}

static inline void use_helper(const char *mode, const char *argument) {
	command[0] = own_path();
	command[1] = mode;
	command[2] = argument;
	command[3] = NULL;
}

static inline void use_report(void) {
	use_helper("--report", fresh_file(report_path, sizeof(report_path)));
}

/* Waits for the outcome of exec. */
static inline int exec_result(enum child_stage *stage, int *error) {
	struct pollfd wait_for = {.fd = child.exec_fd, .events = POLLIN};
	int r;

	/* More than once where a domain was refused, which is told before exec. */
	do {
		CHECK(poll(&wait_for, 1, (int)(PATIENCE / USEC_PER_MSEC)) == 1);
		r = child_exec_result(&child, stage, error);
	} while (r == -EAGAIN);
	CHECK(r == 0 || r == 1);
	CHECK(child.exec_fd == -1);
	return r;
}

static inline void start(void) {
	enum child_stage stage = 0;
	int error = 0;

	CHECK(child_start(&child, &conf) == 0);
	CHECK(child.pid > 1 && child.pgid == child.pid);
	if (exec_result(&stage, &error) != 0) {
		fprintf(stderr, "stage %d, error %d\n", stage, error);
		CHECK(false);
	}
}

static inline const char *run_report(void) {
	int status;

	start();
	status = exit_status_of(child.pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return file_text(report_path);
}

static inline void expect_failure(enum child_stage expected_stage, int expected_error, int status) {
	enum child_stage stage;
	int error;

	CHECK(child_start(&child, &conf) == 0);
	CHECK(exec_result(&stage, &error) == 1);
	if (stage != expected_stage || error != expected_error)
		fprintf(stderr, "stage %d, error %d\n", stage, error);
	CHECK(stage == expected_stage && error == expected_error);
	CHECK(WEXITSTATUS(exit_status_of(child.pid)) == status);
}

/* The programs that the children are; -1: none of them. */
static inline int child_help(char **argv) {
	if (strcmp(argv[1], "--report") == 0)
		return report_self(argv[2], argv[0]);
	if (strcmp(argv[1], "--pause") == 0) {
		alarm(PATIENCE / USEC_PER_SEC);
		for (;;)
			pause();
	}
	return -1;
}
