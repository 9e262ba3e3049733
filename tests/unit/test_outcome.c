/* SPDX-License-Identifier: MIT */
#include "core/outcome.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"

static void every_cause_has_its_row(void **unused) {
	for (int i = 0; i < CAUSE_MAX; i++) {
		assert_non_null(cause_str((enum cause)i));
		assert_non_null(cause_text((enum cause)i));
		assert_true(cause_verdict((enum cause)i) < VERDICT_MAX);
		/* Tags are words for grep: small letters and dashes, no two the same. */
		assert_int_equal(strspn(cause_str((enum cause)i), "abcdefghijklmnopqrstuvwxyz-"),
				 strlen(cause_str((enum cause)i)));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(cause_str((enum cause)i), cause_str((enum cause)k));
	}
}

static void tags_of_the_man_page(void **unused) {
	assert_string_equal(cause_str(CAUSE_HTTP_STATUS), "http-status");
	assert_string_equal(cause_str(CAUSE_CONNECT_REFUSED), "connect-refused");
	assert_string_equal(cause_str(CAUSE_READ_TIMEOUT), "read-timeout");
	assert_string_equal(cause_str(CAUSE_BODY_MISMATCH), "body-mismatch");
	assert_string_equal(cause_str(CAUSE_WRONG_PEER), "wrong-peer");
	assert_string_equal(cause_str(CAUSE_SILENT), "silent");
	assert_string_equal(cause_str(CAUSE_CLOSED), "closed");
	assert_string_equal(cause_str(CAUSE_STOPPED), "stopped");
	assert_int_equal(cause_verdict(CAUSE_SELF), VERDICT_UNKNOWN);
	assert_int_equal(cause_verdict(CAUSE_CANNOT_RUN), VERDICT_UNKNOWN);
	assert_int_equal(cause_verdict(CAUSE_DNS), VERDICT_UNKNOWN);
	assert_int_equal(cause_verdict(CAUSE_DEGRADED), VERDICT_WARN);
}

static int wait_status_of(int code, int signal) {
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0};

		(void)setrlimit(RLIMIT_CORE, &none);
		if (signal)
			raise(signal);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_check_that_was_killed_failed(void **unused) {
	struct outcome o;

	outcome_from_wait_status(&o, wait_status_of(0, SIGKILL));
	assert_int_equal(o.cause, CAUSE_KILLED);
	assert_int_equal(o.verdict, VERDICT_FAIL);
	assert_string_equal(o.text, "killed by SIGKILL");
}

static void exit_codes(void **unused) {
	struct outcome o;

	outcome_from_wait_status(&o, wait_status_of(0, 0));
	assert_int_equal(o.verdict, VERDICT_PASS);
	for (int code = 1; code < 256; code++) {
		outcome_from_wait_status(&o, code << 8);
		if (code == 126 || code == 127) {
			assert_int_equal(o.cause, CAUSE_CANNOT_RUN);
			assert_int_equal(o.verdict, VERDICT_UNKNOWN);
		} else {
			assert_int_equal(o.cause, CAUSE_EXIT_CODE);
			assert_int_equal(o.verdict, VERDICT_FAIL);
		}
	}
}

static void text_is_one_clean_line(void **unused) {
	struct outcome o;

	outcome_set(&o, CAUSE_READ_FAILED, "%s", "bad\033[31m\xff\nline");
	assert_string_equal(o.text, "bad?[31m??line");
	assert_true(text_is_utf8(o.text, strlen(o.text)));
	outcome_set(&o, CAUSE_SILENT, NULL);
	assert_string_equal(o.text, cause_text(CAUSE_SILENT));
}

static void our_own_errno_is_unknown(void **unused) {
	struct outcome o;

	outcome_from_errno(&o, "socket", EMFILE);
	assert_int_equal(o.verdict, VERDICT_UNKNOWN);
	assert_int_equal(o.cause, CAUSE_SELF);
	assert_string_equal(o.text, "sdwd cannot look: socket: Too many open files");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_its_row),
		cmocka_unit_test(tags_of_the_man_page),
		cmocka_unit_test(a_check_that_was_killed_failed),
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(text_is_one_clean_line),
		cmocka_unit_test(our_own_errno_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
