/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "core/notify_msg.h"

#define EVERYTHING (~0U)

static struct notify_msg parse(const char *text) {
	struct notify_msg m;

	assert_int_equal(notify_msg_parse(&m, text, strlen(text)), 0);
	return m;
}

static unsigned fields(const char *text) {
	return parse(text).fields;
}

static void assert_filter(const char *data, unsigned keep, const char *status, const char *wanted) {
	char buffer[NOTIFY_MSG_MAX + 1];
	size_t n = notify_msg_filter(buffer, data, strlen(data), keep, status);

	assert_true(n <= NOTIFY_MSG_MAX);
	buffer[n] = '\0';
	assert_string_equal(buffer, wanted);
	assert_int_equal(n, strlen(wanted));
}

static void test_each_field_is_known(void **state) {
	static const struct {
		const char *line;
		unsigned field;
	} cases[] = {
		{"READY=1", NOTIFY_READY},
		{"WATCHDOG=1", NOTIFY_WATCHDOG},
		{"WATCHDOG=trigger", NOTIFY_WATCHDOG_TRIGGER},
		{"WATCHDOG_USEC=7", NOTIFY_WATCHDOG_USEC},
		{"EXTEND_TIMEOUT_USEC=8", NOTIFY_EXTEND_TIMEOUT},
		{"STATUS=x", NOTIFY_STATUS},
		{"STATUS=", NOTIFY_STATUS},
		{"STOPPING=1", NOTIFY_STOPPING},
		{"RELOADING=1", NOTIFY_RELOADING},
		{"MONOTONIC_USEC=9", NOTIFY_MONOTONIC},
		{"FDSTORE=1", NOTIFY_FDSTORE},
		{"FDSTOREREMOVE=1", NOTIFY_FDSTOREREMOVE},
		{"FDNAME=a", NOTIFY_FDNAME},
		{"FDPOLL=0", NOTIFY_FDPOLL},
		{"BARRIER=1", NOTIFY_BARRIER},
		{"MAINPID=5", NOTIFY_MAINPID},
		{"MAINPIDFD=1", NOTIFY_MAINPIDFD},
		{"NOTIFYACCESS=all", NOTIFY_ACCESS},
		{"ERRNO=5", NOTIFY_OTHER},
		{"X_MINE=1", NOTIFY_OTHER},
		{"READYX=1", NOTIFY_OTHER},
		{"no equals sign", NOTIFY_OTHER},
		{"=1", NOTIFY_OTHER},
		{" READY=1", NOTIFY_OTHER},
		{"ready=1", NOTIFY_OTHER},
		{"READY", NOTIFY_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (fields(cases[i].line) != cases[i].field)
			fail_msg("%s: %#x", cases[i].line, fields(cases[i].line));
}

static void test_wrong_values_are_nothing(void **state) {
	static const char *const lines[] = {
		"READY=0",
		"READY=1 ",
		"READY=",
		"READY= 1",
		"READY=11",
		"STOPPING=yes",
		"RELOADING=2",
		"WATCHDOG=0",
		"WATCHDOG=Trigger",
		"FDPOLL=1",
		"FDSTORE=0",
		"BARRIER=0",
		"WATCHDOG_USEC=",
		"WATCHDOG_USEC=5s",
		"WATCHDOG_USEC=-1",
		"WATCHDOG_USEC= -1",
		"WATCHDOG_USEC=0b+1",
		"WATCHDOG_USEC=0o-1",
		"MONOTONIC_USEC=1.5",
		"MAINPID=0",
		"MAINPID=-5",
		"MAINPID=2147483648",
		"MAINPID=99999999999999999999",
		"EXTEND_TIMEOUT_USEC=0",
		"EXTEND_TIMEOUT_USEC=18446744073709551615",
		"STATUS=\xff",
		"MAINPIDFDID=7",
		"READY=1                                                  ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (fields(lines[i]) != 0)
			fail_msg("%s: %#x", lines[i], fields(lines[i]));
}

static void test_values_come_out(void **state) {
	struct notify_msg m =
		parse("STATUS=all \xc3\xa4well\nNOTIFYACCESS=exec\nWATCHDOG_USEC=20000\n"
		      "EXTEND_TIMEOUT_USEC=30\nMONOTONIC_USEC=40\nMAINPID=50\n");

	assert_int_equal(m.fields, NOTIFY_STATUS | NOTIFY_ACCESS | NOTIFY_WATCHDOG_USEC |
					   NOTIFY_EXTEND_TIMEOUT | NOTIFY_MONOTONIC |
					   NOTIFY_MAINPID);
	assert_int_equal(m.status_length, 10);
	assert_memory_equal(m.status, "all \xc3\xa4well", 10);
	assert_int_equal(m.access_length, 4);
	assert_memory_equal(m.access, "exec", 4);
	assert_true(m.watchdog_usec == 20000);
	assert_true(m.extend_timeout_usec == 30);
	assert_true(m.monotonic_usec == 40);
	assert_int_equal(m.mainpid, 50);
}

static void test_numbers_read_as_systemd_reads_them(void **state) {
	static const struct {
		const char *line;
		usec_t usec;
	} cases[] = {
		{"WATCHDOG_USEC=0", 0},     {"WATCHDOG_USEC=18446744073709551615", USEC_INFINITY},
		{"WATCHDOG_USEC= 9", 9},    {"WATCHDOG_USEC=+9", 9},
		{"WATCHDOG_USEC=010", 8},   {"WATCHDOG_USEC=0x10", 16},
		{"WATCHDOG_USEC=0b101", 5}, {"WATCHDOG_USEC=0o17", 15},
		{"WATCHDOG_USEC=1\\2", 12},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct notify_msg m = parse(cases[i].line);

		assert_int_equal(m.fields, NOTIFY_WATCHDOG_USEC);
		assert_true(m.watchdog_usec == cases[i].usec);
	}
}

static void test_first_of_equal_fields_wins(void **state) {
	struct notify_msg m = parse("STATUS=one\nSTATUS=two\nWATCHDOG_USEC=1\nWATCHDOG_USEC=2");

	assert_int_equal(m.status_length, 3);
	assert_memory_equal(m.status, "one", 3);
	assert_true(m.watchdog_usec == 1);
	/* Also where the first is malformed. */
	assert_int_equal(fields("WATCHDOG=0\nWATCHDOG=1"), 0);
	assert_int_equal(fields("WATCHDOG=1\nWATCHDOG=trigger"), NOTIFY_WATCHDOG);
	assert_int_equal(fields("STATUS=\xff\nSTATUS=good"), 0);
	assert_int_equal(fields("MAINPID=x\nMAINPID=5"), 0);
	/* But READY=1 is looked for as a whole line. */
	assert_int_equal(fields("READY=0\nREADY=1"), NOTIFY_READY);
}

static void test_lines_end_at_both_line_ends(void **state) {
	assert_int_equal(fields("X=1\rREADY=1"), NOTIFY_OTHER | NOTIFY_READY);
	assert_int_equal(fields("\r\n\nREADY=1\r\n"), NOTIFY_READY);
	assert_int_equal(parse("STATUS=a\rX=1").status_length, 1);
}

static void test_backslashes_hide_no_field(void **state) {
	assert_int_equal(fields("MAIN\\PID=7"), NOTIFY_MAINPID);
	assert_int_equal(fields("REA\\DY\\=\\1"), NOTIFY_READY);
	/* An escaped line end: the line is ignored, and no second one begins behind it. */
	assert_int_equal(fields("X=1\\\nMAINPID=7"), 0);
	assert_int_equal(fields("X=1\\\nMAINPID=7\nREADY=1"), NOTIFY_READY);
	assert_int_equal(fields("X=1\\\\\nMAINPID=7"), NOTIFY_OTHER | NOTIFY_MAINPID);
	assert_int_equal(parse("STATUS=C:\\\\x").status_length, 5);
}

static void test_bad_bytes_drop_the_message(void **state) {
	static char large[NOTIFY_MSG_MAX + 1];
	struct notify_msg m;

	assert_int_equal(notify_msg_parse(&m, "READY=1\0", 8), 0);
	assert_int_equal(m.fields, NOTIFY_READY);
	assert_int_equal(notify_msg_parse(&m, "READY=1\0\0", 9), -EBADMSG);
	assert_int_equal(notify_msg_parse(&m, "READY=1\0X=1", 11), -EBADMSG);
	assert_int_equal(m.fields, 0);
	assert_int_equal(notify_msg_parse(&m, "READY=1\\", 8), -EBADMSG);
	assert_int_equal(notify_msg_parse(&m, "X=1\\\\", 5), 0);
	assert_int_equal(notify_msg_parse(&m, "X=1\\\\\\", 6), -EBADMSG);
	assert_int_equal(notify_msg_parse(&m, "X=1\\\0", 5), -EBADMSG);
	assert_int_equal(notify_msg_parse(&m, "", 0), -ENODATA);
	assert_int_equal(notify_msg_parse(&m, "\0", 1), -ENODATA);
	assert_int_equal(notify_msg_parse(&m, "\n\r\n", 3), -ENODATA);

	memset(large, 'x', sizeof(large));
	assert_int_equal(notify_msg_parse(&m, large, NOTIFY_MSG_MAX), 0);
	assert_int_equal(notify_msg_parse(&m, large, NOTIFY_MSG_MAX + 1), -EMSGSIZE);
}

static void test_barrier_must_be_alone(void **state) {
	assert_true(parse("BARRIER=1").is_barrier_alone);
	assert_true(parse("BARRIER=1\n").is_barrier_alone);
	assert_false(parse("BARRIER=1\nREADY=1").is_barrier_alone);
	assert_false(parse("BARRIER=1\nREADY=0").is_barrier_alone);
	assert_false(parse("BARRIER=1\nBARRIER=1").is_barrier_alone);
	assert_false(parse("READY=1").is_barrier_alone);
	assert_int_equal(fields("BARRIER=1\nREADY=1"), NOTIFY_BARRIER | NOTIFY_READY);
}

static void test_filter_keeps_order_and_drops_the_rest(void **state) {
	const char *data = "X_A=1\nREADY=1\nSTATUS=s\nMAINPID=4\nERRNO=2\nWATCHDOG=1\nFDNAME=f";

	assert_filter(data, EVERYTHING, NULL, data);
	assert_filter(data, NOTIFY_OTHER | NOTIFY_STATUS, NULL, "X_A=1\nSTATUS=s\nERRNO=2");
	assert_filter(data, NOTIFY_READY, NULL, "READY=1");
	assert_filter(data, NOTIFY_BARRIER, NULL, "");
	assert_filter("\n\nA=1\n\rB=2\n", NOTIFY_OTHER, NULL, "A=1\nB=2");
	/* By name, whatever the value; a trigger is not a ping. */
	assert_filter("MAINPID=x\nREADY=0\nA=1", NOTIFY_OTHER, NULL, "A=1");
	assert_filter("WATCHDOG=trigger\nA=1", NOTIFY_WATCHDOG, NULL, "");
	assert_filter("WATCHDOG=trigger\nA=1", NOTIFY_WATCHDOG_TRIGGER, NULL, "WATCHDOG=trigger");
	assert_filter("MAINPIDFDID=1\nMAINPIDFD=1\nA=1", NOTIFY_OTHER, NULL, "A=1");
	/* Nothing passes in disguise. */
	assert_filter("A=1\rMAINPID=1", NOTIFY_OTHER, NULL, "A=1");
	assert_filter("M\\AINPID=1\nA=1", NOTIFY_OTHER, NULL, "A=1");
	assert_filter("A=1\\\nMAINPID=1\nB=1", NOTIFY_OTHER, NULL, "B=1");
	/* Refused data is empty. */
	assert_filter("A=1\\", NOTIFY_OTHER, NULL, "");
}

static void test_filter_replaces_or_adds_status(void **state) {
	assert_filter("A=1\nSTATUS=s\nB=2", EVERYTHING, "new", "A=1\nSTATUS=new\nB=2");
	assert_filter("A=1\nSTATUS=s\nB=2", NOTIFY_OTHER, "new", "A=1\nSTATUS=new\nB=2");
	assert_filter("STATUS=s\nB=2\nSTATUS=t", EVERYTHING, "new", "STATUS=new\nB=2");
	assert_filter("STATUS=s\nB=2\nSTATUS=t", EVERYTHING, NULL, "STATUS=s\nB=2");
	assert_filter("A=1", EVERYTHING, "new", "A=1\nSTATUS=new");
	assert_filter("A=1", 0, "new", "STATUS=new");
	assert_filter("", 0, "new", "STATUS=new");
	assert_filter("A=1", EVERYTHING, "", "A=1\nSTATUS=");
	/* One line stays one line, and no escape hangs over its end. */
	assert_filter("A=1", EVERYTHING, "a\nMAINPID=1\r", "A=1\nSTATUS=a MAINPID=1 ");
	assert_filter("STATUS=x\nA=1", EVERYTHING, "back\\", "STATUS=back\nA=1");
	assert_filter("STATUS=x\nA=1", EVERYTHING, "back\\\\", "STATUS=back\\\\\nA=1");
}

static void test_filter_never_sends_a_status_that_clears(void **state) {
	assert_filter("A=1\nSTATUS=\xff\nB=2", EVERYTHING, NULL, "A=1\nB=2");
	assert_filter("STATUS=\xff\nSTATUS=good\nA=1", EVERYTHING, NULL, "A=1");
	assert_filter("STATUS=\xff\nA=1", EVERYTHING, "good", "STATUS=good\nA=1");
	assert_filter("STATUS=s\nA=1", EVERYTHING, "\xff", "A=1");
}

static void test_filter_cuts_status_at_the_limit(void **state) {
	static char data[NOTIFY_MSG_MAX], status[2 * NOTIFY_MSG_MAX], buffer[NOTIFY_MSG_MAX];
	struct notify_msg m;
	size_t n;

	for (size_t i = 0; i + 1 < sizeof(status); i += 2)
		memcpy(status + i, "\xc3\xa4", 2);
	status[sizeof(status) - 2] = '\0';

	for (size_t other = 0; other <= NOTIFY_MSG_MAX; other++)
		for (int place = 0; place < 2; place++) {
			memset(data, 'x', sizeof(data));
			n = other;
			if (place == 1) {
				if (other + 10 > NOTIFY_MSG_MAX || other == 0)
					continue;
				memcpy(data, "STATUS=ab\n", 10);
				n += 10;
			}
			n = notify_msg_filter(buffer, data, n, EVERYTHING, status);
			assert_true(n <= NOTIFY_MSG_MAX && n >= other);
			/* Not a byte wasted but the half of a two-byte character. */
			if (other + 10 <= NOTIFY_MSG_MAX)
				assert_true(n >= NOTIFY_MSG_MAX - 1);
			assert_int_equal(notify_msg_parse(&m, buffer, n), 0);
			assert_int_equal(!!(m.fields & NOTIFY_OTHER), other > 0);
			assert_int_equal(!!(m.fields & NOTIFY_STATUS), n > other);
		}

	/* The cut never leaves half an escape: the manager would ignore the whole message. */
	memset(status, '\\', sizeof(status) - 2);
	for (size_t other = 1; other < 4; other++) {
		memset(data, 'x', sizeof(data));
		n = notify_msg_filter(buffer, data, other, EVERYTHING, status);
		assert_int_equal(notify_msg_parse(&m, buffer, n), 0);
		assert_int_equal(m.fields, NOTIFY_OTHER | NOTIFY_STATUS);
	}
}

static void test_escape(void **state) {
	char buffer[16];

	assert_int_equal(notify_msg_escape(buffer, sizeof(buffer), "C:\\a\nb"), 7);
	assert_string_equal(buffer, "C:\\\\a b");
	assert_int_equal(notify_msg_escape(buffer, 4, "ab\\"), 2);
	assert_string_equal(buffer, "ab");
	assert_int_equal(notify_msg_escape(buffer, 5, "ab\\"), 4);
	assert_string_equal(buffer, "ab\\\\");
	assert_int_equal(notify_msg_escape(buffer, 4, "ab\xc3\xa4"), 2);
	assert_string_equal(buffer, "ab");
	assert_int_equal(notify_msg_escape(buffer, 1, "ab"), 0);
	assert_string_equal(buffer, "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_field_is_known),
		cmocka_unit_test(test_wrong_values_are_nothing),
		cmocka_unit_test(test_values_come_out),
		cmocka_unit_test(test_numbers_read_as_systemd_reads_them),
		cmocka_unit_test(test_first_of_equal_fields_wins),
		cmocka_unit_test(test_lines_end_at_both_line_ends),
		cmocka_unit_test(test_backslashes_hide_no_field),
		cmocka_unit_test(test_bad_bytes_drop_the_message),
		cmocka_unit_test(test_barrier_must_be_alone),
		cmocka_unit_test(test_filter_keeps_order_and_drops_the_rest),
		cmocka_unit_test(test_filter_replaces_or_adds_status),
		cmocka_unit_test(test_filter_never_sends_a_status_that_clears),
		cmocka_unit_test(test_filter_cuts_status_at_the_limit),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
