/* SPDX-License-Identifier: MIT */
/* Replies as another reader of JSON understands them, and what becomes of them without memory. */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/internal.h"

/* Fail the call that many calls from now; -1: none. */
static long fail_in = -1;
static size_t n_failed;

static bool must_fail(void) {
	if (fail_in < 0 || fail_in-- > 0)
		return false;
	fail_in = 0; /* and all that follow */
	n_failed++;
	return true;
}

/* Else they would be ours alone. */
#define visible __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

visible void *malloc(size_t size) {
	return must_fail() ? NULL : __libc_malloc(size);
}

visible void *calloc(size_t n, size_t size) {
	return must_fail() ? NULL : __libc_calloc(n, size);
}

visible void *realloc(void *old, size_t size) {
	return must_fail() ? NULL : __libc_realloc(old, size);
}

static const struct probe_kind kind = {.name = "tcp", .mode = PROBE_PULL};
static const struct probe_conf probe_conf = {.kind = &kind, .name = (char *)"a \"b\"/c"};
static struct conf conf = {.label = (char *)"x\xff\n\"y\""};
static struct supervisor_setup setup = {.env = {.unit = "web.service"}};
static struct probe probes[MONITOR_PROBES_MAX];
static struct slot slots[MONITOR_PROBES_MAX];
static struct supervisor s;

static void fill(size_t n_slots) {
	memset(&s, 0, sizeof(s));
	memset(slots, 0, sizeof(slots));
	s.conf = &conf;
	s.setup = &setup;
	s.slots = slots;
	s.n_slots = n_slots;
	s.life = LIFE_RUNNING;
	s.now = 1000 * USEC_PER_SEC;
	for (size_t i = 0; i < n_slots; i++) {
		probes[i].conf = &probe_conf;
		slots[i].probe = &probes[i];
		for (usec_t k = 0; k < 100; k++)
			stats_add(&slots[i].stats, VERDICT_PASS, k);
		outcome_set(&slots[i].last, CAUSE_OK, "said \"%s\"", "\\ /");
		slots[i].has_last = true;
		slots[i].looked_at = s.now;
	}
}

static struct json_object *read_reply(char *reply, const size_t *length) {
	struct json_object *o;

	assert_non_null(reply);
	assert_int_equal(strlen(reply) + 1, *length);
	o = json_tokener_parse(reply);
	assert_non_null(o);
	free(reply);
	return o;
}

static struct json_object *at(struct json_object *o, const char *path) {
	struct json_object *found = NULL;

	assert_int_equal(json_pointer_get(o, path, &found), 0);
	return found;
}

static void test_the_status_is_json_whatever_the_texts(void **state) {
	size_t length = 0;
	struct json_object *o;

	fill(2);
	o = read_reply(control_reply_status(&s, true, &length), &length);
	assert_true(json_object_get_boolean(at(o, "/continues")));
	assert_string_equal(json_object_get_string(at(o, "/parameters/status/label")), "x??\"y\"");
	assert_string_equal(json_object_get_string(at(o, "/parameters/status/probes/1/name")),
			    "a \"b\"/c");
	assert_string_equal(json_object_get_string(at(o, "/parameters/status/probes/1/text")),
			    "said \"\\ /\"");
	assert_int_equal(json_object_array_length(at(o, "/parameters/status/probes/0/history")),
			 STATS_HISTORY);
	assert_null(at(o, "/parameters/status/probes/0/leaseLeftUsec"));
	json_object_put(o);
}

static void test_what_has_no_end_is_null(void **state) {
	size_t length = 0;
	struct json_object *o;
	char *reply;

	fill(1);
	s.monitor.is_paused = true;
	s.pause.at = USEC_INFINITY;
	s.monitor.probes[0].health.state = HEALTH_UP;
	s.monitor.probes[0].health.lease =
		(struct lease){.evidence_at = 5, .length_usec = USEC_INFINITY};
	s.watchdog_usec = USEC_INFINITY - 1;
	reply = control_reply_status(&s, false, &length);
	/* Readers have 63 bits for it. */
	assert_non_null(strstr(reply, "\"watchdogUsec\":9223372036854775807,"));
	o = read_reply(reply, &length);
	assert_true(json_object_get_boolean(at(o, "/parameters/status/paused")));
	assert_null(at(o, "/parameters/status/pausedLeftUsec"));
	assert_null(at(o, "/parameters/status/probes/0/leaseLeftUsec"));
	json_object_put(o);
}

static void test_every_character_comes_back(void **state) {
	char value[128 + 8] = "";
	struct json_object *o;
	size_t length = 0;

	for (int c = 1; c < 128; c++)
		value[c - 1] = (char)c;
	memcpy(value + 127, "\xc3\xa9\xf0\x9f\x90\x95", 7);
	o = read_reply(control_reply_error("a.b.C", "x", value, &length), &length);
	assert_string_equal(json_object_get_string(at(o, "/parameters/x")), value);
	assert_string_equal(json_object_get_string(at(o, "/error")), "a.b.C");
	json_object_put(o);
}

/* 64 probes: what one client can hold of our memory. */
static void test_the_longest_status_is_bounded(void **state) {
	size_t length = 0;

	fill(MONITOR_PROBES_MAX);
	json_object_put(read_reply(control_reply_status(&s, true, &length), &length));
	assert_in_range(length, 64 * 1000, 64 * 2500);
}

enum reply { STATUS, INFO, DESCRIPTION, EMPTY, ERROR, REPLIES };

static char *make(enum reply reply, size_t *ret_length) {
	switch (reply) {
	case STATUS:
		return control_reply_status(&s, true, ret_length);
	case INFO:
		return control_reply_info(ret_length);
	case DESCRIPTION:
		return control_reply_description(control_interface, ret_length);
	case EMPTY:
		return control_reply_empty(ret_length);
	case ERROR:
	case REPLIES:
		break;
	}
	return control_reply_error("a.b.C", "x", "y", ret_length);
}

static void test_without_memory_there_is_no_reply(void **state) {
	fill(8);
	for (enum reply reply = STATUS; reply < REPLIES; reply++) {
		size_t n = 0, length = 0, whole_length = 0;
		char *made, *whole;

		do {
			n_failed = 0;
			fail_in = (long)n++;
			made = make(reply, &length);
			fail_in = -1;
			if (n_failed > 0)
				assert_null(made);
		} while (n_failed > 0);
		json_object_put(read_reply(made, &length));
		/* The status does not fit into what is allocated first. */
		assert_true(n > (reply == STATUS ? 2 : 1));
		whole = make(reply, &whole_length);
		assert_int_equal(length, whole_length);
		free(whole);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_status_is_json_whatever_the_texts),
		cmocka_unit_test(test_what_has_no_end_is_null),
		cmocka_unit_test(test_every_character_comes_back),
		cmocka_unit_test(test_the_longest_status_is_bounded),
		cmocka_unit_test(test_without_memory_there_is_no_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
