/* SPDX-License-Identifier: MIT */
/*
 * What other systems test of their state machines, on a virtual clock.  F1 to F9: Kubernetes; F11
 * to F13: Docker; F16 and F17: Podman; F21: Nomad; F22: Consul; F2, F23, F24, F26 and F30: HAProxy;
 * F27: monit; F28: MicroProfile Health; F29: Envoy; E2: Nomad.
 * tests/system/test_state_conformance.py holds the list of them all.
 */
#include "core/monitor.h"

#include <string.h>

#include "monitor_fixture.h"

#define NEVER USEC_INFINITY

static struct monitor_probe_conf looks_of(unsigned fall, unsigned rise) {
	struct monitor_probe_conf conf = pull_conf;

	conf.health.fall = fall;
	conf.health.rise = rise;
	return conf;
}

static struct monitor one_probe(const struct monitor_probe_conf *conf) {
	/* Compared as a whole, with what monitor_init() leaves alone. */
	struct monitor m = {0};

	monitor_init(&m, W, conf, 1, 1, false, 0);
	return m;
}

/* The next look of probe @i as soon as it is due; it takes a millisecond. Returns when it ended. */
static usec_t look(struct monitor *m, size_t i, enum verdict verdict) {
	usec_t now = m->probes[i].schedule.next_at;

	assert_true(now < NEVER);
	monitor_process(m, PROCESS_RUNNING, now);
	monitor_look_started(m, i, now);
	now += MSEC;
	monitor_look_ended(m, i, verdict, now);
	monitor_judge(m, now);
	return now;
}

static enum verdict verdict_of(char letter) {
	switch (letter) {
	case 'S':
		return VERDICT_PASS;
	case 'W':
		return VERDICT_WARN;
	case 'F':
		return VERDICT_FAIL;
	default:
		assert_int_equal(letter, '?');
		return VERDICT_UNKNOWN;
	}
}

/*
 * @looks: a letter for each, S passed, W warned, F failed, ? could not look; @wanted: the service
 * after each, h healthy, d degraded, u unhealthy.
 */
static void play(struct monitor *m, const char *looks, const char *wanted) {
	assert_int_equal(strlen(looks), strlen(wanted));
	for (size_t i = 0; looks[i] != '\0'; i++) {
		look(m, 0, verdict_of(looks[i]));
		if ("hdu"[m->service] != wanted[i])
			fail_msg("look %zu of %s: %c, not %c", i + 1, looks, "hdu"[m->service],
				 wanted[i]);
	}
}

/* A service that was ready with its first pass. */
static struct monitor started(const struct monitor_probe_conf *conf) {
	struct monitor m = one_probe(conf);

	monitor_ready(&m, look(&m, 0, VERDICT_PASS));
	return m;
}

static struct health *health_of(struct monitor *m) {
	return &m->probes[0].health;
}

static void test_F1_the_third_failure_in_a_row(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = started(&conf);

	for (int i = 0; i < 2; i++)
		play(&m, "SSSFFFF", "hhhdduu");
}

static void test_F2_three_passes_in_a_row_to_recover(void **state) {
	struct monitor_probe_conf conf = looks_of(1, 3);
	struct monitor m = started(&conf);

	play(&m, "FSSS", "uuuh");
	/* One failure begins the count anew. */
	play(&m, "FSSFSSS", "uuuuuuh");
}

static void test_F3_before_the_first_look_neither_good_nor_bad(void **state) {
	struct monitor_probe_conf conf = looks_of(1, 1);
	struct monitor m = one_probe(&conf);

	assert_false(monitor_is_good(&m));
	assert_false(monitor_judge(&m, 1000 * SEC));
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_int_equal(health_of(&m)->state, HEALTH_NEW);
}

/* How long a start may take is a time here (--start-timeout), not a number of failures. */
static void test_F4_failures_of_the_start_are_not_counted_and_a_pass_ends_it(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = one_probe(&conf);
	usec_t ended_at;

	for (int i = 0; i < 20; i++) {
		ended_at = look(&m, 0, VERDICT_FAIL);
		assert_int_equal(m.probes[0].schedule.next_at,
				 ended_at - MSEC + conf.schedule.start_usec);
		assert_int_equal(health_of(&m)->fails, 0);
		assert_false(monitor_is_good(&m));
		assert_int_equal(m.service, SERVICE_HEALTHY);
	}
	ended_at = look(&m, 0, VERDICT_PASS);
	assert_true(monitor_is_good(&m));
	assert_int_equal(health_of(&m)->fails, 0);
	assert_true(m.probes[0].schedule.next_at > ended_at + conf.schedule.start_usec);
}

static void test_F5_failures_count_from_the_start_on_and_the_start_never_again(void **state) {
	struct monitor_probe_conf conf = looks_of(1, 1);
	struct monitor m;

	conf.health.start_period_usec = 3600 * SEC;
	m = one_probe(&conf);
	/* READY=1 came by something else, and the start goes on. */
	monitor_ready(&m, 0);
	play(&m, "FFFSFSF", "hhhhuhu");
}

/* The looks go on, so that STATUS= stays true. */
static void test_F6_what_was_acted_on_stays_unhealthy(void **state) {
	struct monitor_probe_conf conf = looks_of(1, 1);
	struct monitor m = started(&conf);

	play(&m, "F", "u");
	monitor_latch(&m);
	play(&m, "SSSSS", "uuuuu");
	assert_int_equal(monitor_ping_due_at(&m), NEVER);
}

static void test_F7_streaks(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = started(&conf);

	assert_int_equal(health_of(&m)->passes, 1);
	for (unsigned i = 1; i <= 3; i++) {
		look(&m, 0, VERDICT_FAIL);
		assert_int_equal(health_of(&m)->fails, i);
		assert_int_equal(health_of(&m)->passes, 0);
	}
	assert_int_equal(m.service, SERVICE_UNHEALTHY);
	/* A restarted service has a sdwd of its own. */
	m = one_probe(&conf);
	assert_int_equal(health_of(&m)->fails, 0);
}

static void test_F9_ten_stops_are_one(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = started(&conf), once;

	play(&m, "F", "d");
	monitor_look_started(&m, 0, m.probes[0].schedule.next_at);
	monitor_stop(&m);
	once = m;
	for (int i = 0; i < 9; i++)
		monitor_stop(&m);
	assert_memory_equal(&m, &once, sizeof(m));
	assert_int_equal(monitor_next_at(&m), NEVER);
}

static void test_F11_one_retry_and_three(void **state) {
	struct monitor_probe_conf one = looks_of(1, 1), three = looks_of(3, 1);
	struct monitor m = started(&one);

	play(&m, "FSF", "uhu");

	/* Not yet good, and without a start period: failures count at once. */
	three.health.start_period_usec = 0;
	m = one_probe(&three);
	monitor_ready(&m, 0);
	play(&m, "FF", "dd");
	assert_int_equal(health_of(&m)->fails, 2);
	play(&m, "S", "h");
	assert_int_equal(health_of(&m)->fails, 0);
}

static void test_F12_a_failure_counts_after_the_start_period(void **state) {
	struct health_conf conf = looks_of(2, 1).health;
	struct health h;

	conf.start_period_usec = 30 * SEC;
	conf.lease_usec = 60 * SEC;
	health_init(&h, &conf, 0);
	health_grant(&h, 0, W);
	health_feed(&h, VERDICT_FAIL, 20 * SEC);
	assert_int_equal(h.fails, 0);
	health_feed(&h, VERDICT_FAIL, 50 * SEC);
	assert_int_equal(h.fails, 1);
	assert_int_equal(h.state, HEALTH_UP);
	health_feed(&h, VERDICT_PASS, 80 * SEC);
	assert_int_equal(h.fails, 0);
	assert_false(health_is_degraded(&h));
}

/* The first steady look is displaced within the interval: F25. */
static void test_F13_fast_until_the_first_pass_and_at_the_interval_from_then_on(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m;
	usec_t last;

	conf.schedule.interval_usec = 30 * SEC;
	conf.schedule.start_usec = SEC;
	m = one_probe(&conf);
	assert_int_equal(look(&m, 0, VERDICT_FAIL), MSEC);
	assert_int_equal(look(&m, 0, VERDICT_FAIL), SEC + MSEC);
	assert_false(monitor_is_good(&m));
	last = look(&m, 0, VERDICT_PASS);
	assert_int_equal(last, 2 * SEC + MSEC);
	assert_true(monitor_is_good(&m));
	monitor_ready(&m, last);
	assert_int_equal(look(&m, 0, VERDICT_PASS), last + conf.schedule.phase_usec);
	for (int i = 0; i < 10; i++) {
		last = look(&m, 0, VERDICT_PASS);
		assert_int_equal(look(&m, 0, VERDICT_PASS), last + 30 * SEC);
	}
}

static void test_F16_a_pass_in_the_start_period_is_good_at_once_a_failure_is_not_bad(void **state) {
	struct monitor_probe_conf conf = looks_of(1, 1);
	struct monitor m;

	conf.health.start_period_usec = 3600 * SEC;
	m = one_probe(&conf);
	look(&m, 0, VERDICT_PASS);
	assert_true(monitor_is_good(&m));

	m = one_probe(&conf);
	for (int i = 0; i < 100; i++)
		look(&m, 0, VERDICT_FAIL);
	assert_false(monitor_is_good(&m));
	assert_int_equal(health_of(&m)->state, HEALTH_NEW);
}

static void test_F17_one_pass_makes_healthy_again(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = started(&conf);

	play(&m, "FFFFFFS", "dduuuuh");
	assert_int_equal(health_of(&m)->fails, 0);
}

static void test_F21_two_that_turn_bad_at_once_are_one_edge(void **state) {
	struct monitor m = running(2, 2, 0);

	monitor_feed(&m, 0, VERDICT_FAIL, 5 * SEC);
	monitor_feed(&m, 1, VERDICT_FAIL, 5 * SEC);
	assert_becomes(&m, 5 * SEC, SERVICE_UNHEALTHY);
	/* Nor is there another while one of them is bad. */
	monitor_feed(&m, 0, VERDICT_PASS, 6 * SEC);
	assert_false(monitor_judge(&m, 6 * SEC));
	monitor_feed(&m, 0, VERDICT_FAIL, 7 * SEC);
	assert_false(monitor_judge(&m, 7 * SEC));
}

static void test_F21_unhealthy_once_warned_and_flapping_are_no_edge(void **state) {
	struct monitor_probe_conf conf = looks_of(2, 1);
	struct monitor m = started(&conf);

	play(&m, "SFSSWWWSFWFSFS", "hdhhdddhdddhdh");
}

/* Unlike in Consul the first result of all does not make unhealthy. */
static void test_F22_a_warning_is_a_pass_and_a_pass_ends_the_streak(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 1);
	struct monitor m = one_probe(&conf);

	look(&m, 0, VERDICT_FAIL);
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_false(monitor_is_good(&m));
	monitor_ready(&m, look(&m, 0, VERDICT_WARN));
	play(&m, "WFFSFFWFFF", "dddhdddddu");
}

static void test_F23_a_window_catches_what_never_falls_in_a_row(void **state) {
	struct monitor_probe_conf conf = looks_of(2, 1);
	struct monitor m = started(&conf);

	for (int i = 0; i < 100; i++)
		play(&m, "FS", "dh");

	conf.health.window_failures = 3;
	conf.health.window_looks = 5;
	m = started(&conf);
	play(&m, "FSFSF", "dhdhu");
}

static void test_F24_the_first_failure_hastens_and_a_pass_slows(void **state) {
	struct monitor_probe_conf conf = looks_of(4, 3);
	struct monitor m = started(&conf);
	/* The looks, and how far each is from the one before. */
	static const char looks[] = "SSFFSFFFFFSSSS";
	static const char paces[] = "?pp" /* after F */ "ffpfffp" /* for good */ "pff" /* up */ "p";
	usec_t last = 0;

	for (size_t i = 0; looks[i] != '\0'; i++) {
		usec_t now = look(&m, 0, verdict_of(looks[i]));

		if (paces[i] == 'p')
			assert_int_equal(now - last, conf.schedule.interval_usec);
		if (paces[i] == 'f')
			assert_int_equal(now - last, conf.schedule.fast_usec);
		last = now;
	}
}

/* What is due at @now is done; the turn may have come for nothing. */
static void turn(struct monitor *m, usec_t now, uint64_t random) {
	static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_FAIL, VERDICT_UNKNOWN,
						VERDICT_WARN};
	struct schedule *s = &m->probes[0].schedule;

	monitor_process(m, PROCESS_RUNNING, now);
	if (s->is_looking && (s->deadline_at <= now || random % 3 == 0))
		monitor_look_ended(m, 0, verdicts[random / 3 % 4], now);
	if (!s->is_looking && s->next_at <= now)
		monitor_look_started(m, 0, now);
	monitor_judge(m, now);
	if (monitor_ping_due_at(m) <= now)
		pinger_sent(&m->pinger, now);
}

static void test_F26_one_event_is_always_pending_however_early_it_wakes(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 2);
	uint64_t random = 1;

	for (int tiny = 0; tiny < 2; tiny++) {
		struct monitor m;
		usec_t now = SEC;

		if (tiny)
			conf.schedule = (struct schedule_conf){1, 1, 1, 1, 1, 1};
		m = one_probe(&conf);
		monitor_ready(&m, 0);
		for (int i = 0; i < 20000; i++) {
			const struct schedule *s = &m.probes[0].schedule;

			/* splitmix64's multiplier: any will do */
			random = random * UINT64_C(0xbf58476d1ce4e5b9) + 1;
			turn(&m, now, random >> 33);
			assert_true(schedule_next_at(s) < NEVER);
			assert_true(s->is_looking ? s->deadline_at > now : s->next_at > now);
			assert_true(monitor_next_at(&m) > now);
			assert_true(monitor_next_at(&m) <= schedule_next_at(s));
			/* Half of the way, all of it, and a little late. */
			now += 1 + (monitor_next_at(&m) - now) * ((random >> 40) % 3) / 2;
		}
	}
}

/* Others are refused, and so is one of 65: test_usage.py. */
static void test_F27_windows_count_exactly(void **state) {
	static const unsigned windows[][2] = {{1, 1}, {3, 5}, {2, 64}, {20, 64}, {64, 64}};
	uint64_t random = 1;

	for (size_t w = 0; w < ARRAY_SIZE(windows); w++) {
		struct health_conf conf = looks_of(1000, 1).health;
		bool failed[300] = {false};
		size_t since = 0;
		struct health h;

		conf.window_failures = windows[w][0];
		conf.window_looks = windows[w][1];
		health_init(&h, &conf, 0);
		health_feed(&h, VERDICT_PASS, SEC);
		for (size_t i = 1; i < ARRAY_SIZE(failed); i++) {
			size_t first = i + 1 > windows[w][1] ? i + 1 - windows[w][1] : 0;
			unsigned n = 0;
			bool was_up = h.state == HEALTH_UP;

			random = random * UINT64_C(0xbf58476d1ce4e5b9) + 1;
			/* Long runs, so that the full windows fill, too. */
			failed[i] = i > 100 && i < 170 ? true : (random >> 40) % 3 == 0;
			health_feed(&h, failed[i] ? VERDICT_FAIL : VERDICT_PASS, SEC);
			for (size_t k = MAX(first, since); k <= i; k++)
				n += failed[k];
			if (was_up)
				assert_int_equal(h.state, failed[i] && n >= windows[w][0]
								  ? HEALTH_DOWN
								  : HEALTH_UP);
			else if (h.state == HEALTH_UP)
				since = i + 1; /* recovery clears it */
		}
	}
}

static void test_F28_all_any_and_k_of_n(void **state) {
	for (size_t n = 1; n <= 4; n++)
		for (size_t k = 1; k <= n; k++)
			for (unsigned good = 0; good < 1U << n; good++) {
				struct monitor m = with_pushes(n, k, 0);
				size_t n_good = 0;

				for (size_t i = 0; i < n; i++)
					monitor_feed(&m, i, VERDICT_PASS, SEC);
				monitor_ready(&m, SEC);
				monitor_judge(&m, SEC);
				for (size_t i = 0; i < n; i++)
					if (good >> i & 1) {
						monitor_feed(&m, i, VERDICT_PASS, 10 * SEC);
						n_good++;
					}
				monitor_process(&m, PROCESS_RUNNING, SEC + PUSH_LEASE);
				/* The others have run out. */
				monitor_judge(&m, SEC + PUSH_LEASE);
				assert_int_equal(m.service, n_good < k   ? SERVICE_UNHEALTHY
							    : n_good < n ? SERVICE_DEGRADED
									 : SERVICE_HEALTHY);
				assert_int_equal(monitor_is_good(&m), n_good >= k);
			}
}

static void test_F29_the_first_pass_is_enough(void **state) {
	struct monitor_probe_conf conf = looks_of(3, 5);
	struct monitor m = one_probe(&conf);

	look(&m, 0, VERDICT_FAIL);
	assert_false(monitor_is_good(&m));
	look(&m, 0, VERDICT_PASS);
	assert_true(monitor_is_good(&m));
}

static void test_F30_an_optional_one_that_cannot_be_asked_is_ignored(void **state) {
	struct monitor_probe_conf confs[2] = {push_conf, looks_of(1, 1)};
	struct monitor m;

	confs[1].is_optional = true;
	monitor_init(&m, W, confs, 2, 1, false, 0);
	look(&m, 1, VERDICT_PASS);
	assert_false(monitor_is_good(&m));
	monitor_feed(&m, 0, VERDICT_PASS, SEC);
	assert_true(monitor_is_good(&m));
	monitor_ready(&m, SEC);
	for (int i = 0; i < 20; i++) {
		usec_t now = look(&m, 1, i % 2 ? VERDICT_UNKNOWN : VERDICT_FAIL);

		monitor_feed(&m, 0, VERDICT_PASS, MAX(now, SEC));
		assert_false(monitor_judge(&m, now));
		assert_int_equal(m.service, SERVICE_HEALTHY);
		/* The lease is shorter than W: each beat is forwarded. */
		if (now > 2 * SEC)
			assert_true(monitor_ping_due_at(&m) <= now);
	}
	assert_int_equal(m.culprit, MONITOR_PROCESS);
}

static void test_E2_beats_that_come_and_go_within_their_lease(void **state) {
	struct monitor m = running(1, 1, 0);
	usec_t now = SEC;

	/* Silent for nearly all of it again and again, then many beats at once. */
	for (unsigned i = 0; i < 1000; i++) {
		now += i % 3 == 0 ? PUSH_LEASE - 1 : i;
		monitor_process(&m, PROCESS_RUNNING, now);
		assert_false(monitor_judge(&m, now));
		monitor_feed(&m, 0, VERDICT_PASS, now);
		assert_false(monitor_judge(&m, now));
	}
	assert_int_equal(m.service, SERVICE_HEALTHY);
	assert_int_equal(health_of(&m)->fails, 0);
}

static void test_E9_a_beat_at_the_deadline_renews_or_is_too_late(void **state) {
	for (unsigned i = 0; i < 1000; i++) {
		struct monitor m = running(1, 1, 0);
		usec_t end_at = lease_end(&health_of(&m)->lease);
		/* From a millisecond before to a millisecond after, and when sdwd judges. */
		usec_t beat_at = end_at - MSEC + i % 100 * 20, judged_at = end_at + i / 100 * 100;
		bool is_in_time = beat_at <= judged_at;

		monitor_process(&m, PROCESS_RUNNING, end_at - MSEC);
		/* What has come by then is read first, however late it is. */
		if (is_in_time)
			assert_int_equal(monitor_feed(&m, 0, VERDICT_PASS, beat_at), HEALTH_SAME);
		assert_int_equal(monitor_judge(&m, judged_at), !is_in_time);
		assert_int_equal(m.service, is_in_time ? SERVICE_HEALTHY : SERVICE_UNHEALTHY);
		assert_int_equal(lease_end(&health_of(&m)->lease),
				 is_in_time ? beat_at + PUSH_LEASE : 0);
		if (is_in_time)
			continue;
		assert_int_equal(monitor_feed(&m, 0, VERDICT_PASS, beat_at), HEALTH_WENT_UP);
		assert_becomes(&m, beat_at, SERVICE_HEALTHY);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_F1_the_third_failure_in_a_row),
		cmocka_unit_test(test_F2_three_passes_in_a_row_to_recover),
		cmocka_unit_test(test_F3_before_the_first_look_neither_good_nor_bad),
		cmocka_unit_test(test_F4_failures_of_the_start_are_not_counted_and_a_pass_ends_it),
		cmocka_unit_test(
			test_F5_failures_count_from_the_start_on_and_the_start_never_again),
		cmocka_unit_test(test_F6_what_was_acted_on_stays_unhealthy),
		cmocka_unit_test(test_F7_streaks),
		cmocka_unit_test(test_F9_ten_stops_are_one),
		cmocka_unit_test(test_F11_one_retry_and_three),
		cmocka_unit_test(test_F12_a_failure_counts_after_the_start_period),
		cmocka_unit_test(
			test_F13_fast_until_the_first_pass_and_at_the_interval_from_then_on),
		cmocka_unit_test(
			test_F16_a_pass_in_the_start_period_is_good_at_once_a_failure_is_not_bad),
		cmocka_unit_test(test_F17_one_pass_makes_healthy_again),
		cmocka_unit_test(test_F21_two_that_turn_bad_at_once_are_one_edge),
		cmocka_unit_test(test_F21_unhealthy_once_warned_and_flapping_are_no_edge),
		cmocka_unit_test(test_F22_a_warning_is_a_pass_and_a_pass_ends_the_streak),
		cmocka_unit_test(test_F23_a_window_catches_what_never_falls_in_a_row),
		cmocka_unit_test(test_F24_the_first_failure_hastens_and_a_pass_slows),
		cmocka_unit_test(test_F26_one_event_is_always_pending_however_early_it_wakes),
		cmocka_unit_test(test_F27_windows_count_exactly),
		cmocka_unit_test(test_F28_all_any_and_k_of_n),
		cmocka_unit_test(test_F29_the_first_pass_is_enough),
		cmocka_unit_test(test_F30_an_optional_one_that_cannot_be_asked_is_ignored),
		cmocka_unit_test(test_E2_beats_that_come_and_go_within_their_lease),
		cmocka_unit_test(test_E9_a_beat_at_the_deadline_renews_or_is_too_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
