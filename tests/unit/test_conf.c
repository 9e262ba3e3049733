/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include "fake_kinds.h"

static const struct conf_env alone, with_watchdog = {true, 20 * USEC_PER_SEC, "web.service"},
				    without_watchdog = {true, 0, "web.service"};

/* Durations from W ------------------------------------------------------------------------- */

static const struct duration_case {
	usec_t w, interval, timeout, silence, fast, start, exec_start;
} duration_cases[] = {
	/* in milliseconds */
	{30000, 6000, 4800, 24000, 3000, 500, 1000},
	{10000, 2000, 1600, 8000, 1000, 500, 1000},
	{60000, 10000, 5000, 48000, 5000, 500, 1000},
	{3600000, 10000, 5000, 2880000, 5000, 500, 1000},
	{2000, 400, 320, 1600, 200, 400, 400},
	{1000, 200, 160, 800, 100, 200, 200},
	{100, 200, 160, 80, 100, 200, 200},
	{32500, 6500, 5000, 26000, 3250, 500, 1000},
};

static void durations_follow_the_watchdog(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(duration_cases); i++) {
		const struct duration_case *t = &duration_cases[i];
		struct conf_env env = {true, t->w * USEC_PER_MSEC, NULL};
		struct conf c;
		usec_t w;

		assert_int_equal(RESOLVE(&c, &env, &w, "--http=http://a", "--exec=x", "--heartbeat",
					 "--pidfile=/p", "true"),
				 0);
		assert_int_equal(w, t->w * USEC_PER_MSEC);
		for (size_t k = 0; k < 2; k++) {
			const struct probe_conf *p = c.probes[k];

			assert_int_equal(p->interval_usec, t->interval * USEC_PER_MSEC);
			assert_int_equal(p->timeout_usec, t->timeout * USEC_PER_MSEC);
			assert_int_equal(p->fast_interval_usec, t->fast * USEC_PER_MSEC);
			assert_int_equal(p->start_interval_usec,
					 (k == 0 ? t->start : t->exec_start) * USEC_PER_MSEC);
			assert_int_equal(p->silence_usec, 0);
		}
		assert_int_equal(c.probes[2]->silence_usec, t->silence * USEC_PER_MSEC);
		assert_int_equal(c.probes[2]->interval_usec, 0);
		assert_int_equal(c.probes[2]->timeout_usec, 0);
		assert_int_equal(c.probes[3]->silence_usec, 0);
		assert_int_equal(c.probes[3]->interval_usec, 0);
		conf_done(&c);
	}
}

static void own_durations_stay_and_lead_the_others(void **state) {
	struct conf c;
	usec_t w;

	assert_int_equal(RESOLVE(&c, &alone, &w, "--http=http://a", "--interval=1s",
				 "--http=http://b", "--interval=100ms", "--timeout=3s",
				 "--fast-interval=20ms", "--start-interval=40ms", "--file=/f",
				 "--http=http://c", "--interval=10ms", "true"),
			 0);
	assert_int_equal(c.probes[0]->timeout_usec, 800 * USEC_PER_MSEC);
	assert_int_equal(c.probes[0]->fast_interval_usec, 500 * USEC_PER_MSEC);
	assert_int_equal(c.probes[0]->start_interval_usec, 500 * USEC_PER_MSEC);
	assert_int_equal(c.probes[1]->interval_usec, 100 * USEC_PER_MSEC);
	assert_int_equal(c.probes[1]->timeout_usec, 3 * USEC_PER_SEC);
	assert_int_equal(c.probes[1]->fast_interval_usec, 20 * USEC_PER_MSEC);
	assert_int_equal(c.probes[1]->start_interval_usec, 40 * USEC_PER_MSEC);
	assert_int_equal(c.probes[2]->interval_usec, 6 * USEC_PER_SEC);
	assert_int_equal(c.probes[2]->silence_usec, 24 * USEC_PER_SEC);
	assert_int_equal(c.probes[3]->fast_interval_usec, 10 * USEC_PER_MSEC);
	assert_int_equal(c.probes[3]->start_interval_usec, 10 * USEC_PER_MSEC);
	conf_done(&c);
}

static void watchdog_time(void **state) {
	struct conf c;
	usec_t w = 0;

	assert_int_equal(RESOLVE(&c, &alone, &w, "true"), 0);
	assert_int_equal(w, 30 * USEC_PER_SEC);
	conf_done(&c);
	assert_int_equal(RESOLVE(&c, &without_watchdog, &w, "--watchdog-sec=5s", "true"), 0);
	assert_int_equal(w, 5 * USEC_PER_SEC);
	conf_done(&c);
	assert_int_equal(RESOLVE(&c, &with_watchdog, &w, "true"), 0);
	assert_int_equal(w, 20 * USEC_PER_SEC);
	conf_done(&c);
}

/* Defaults that depend on the whole -------------------------------------------------------- */

static void service_defaults_follow_the_surroundings(void **state) {
	struct conf c;
	usec_t w;

	assert_int_equal(RESOLVE(&c, &with_watchdog, &w, "--http=http://a", "/bin/true"), 0);
	assert_int_equal(c.on_unhealthy, ON_UNHEALTHY_WITHHOLD);
	assert_int_equal(c.ready, 1 << READY_ON_HEALTHY);
	assert_string_equal(c.label, "web.service");
	for (int n = 1; n <= SIGNAL_MAX; n++)
		assert_int_equal(conf_has_signal(c.stop_signals, n), n == SIGTERM || n == SIGABRT);
	conf_done(&c);

	assert_int_equal(RESOLVE(&c, &without_watchdog, &w, "--label=x", "/bin/true"), 0);
	assert_int_equal(c.on_unhealthy, ON_UNHEALTHY_WARN);
	assert_int_equal(c.ready, 1 << READY_ON_EXEC);
	assert_string_equal(c.label, "x");
	conf_done(&c);

	assert_int_equal(RESOLVE(&c, &alone, &w, "--http=http://a", "--optional", "/bin/true"), 0);
	assert_int_equal(c.on_unhealthy, ON_UNHEALTHY_KILL);
	assert_int_equal(c.ready, 1 << READY_ON_EXEC);
	assert_string_equal(c.label, "true");
	conf_done(&c);

	assert_int_equal(RESOLVE(&c, &alone, &w, "--on-unhealthy=trigger", "--ready=notify",
				 "--stop-signal=INT", "true"),
			 0);
	assert_int_equal(c.on_unhealthy, ON_UNHEALTHY_TRIGGER);
	assert_int_equal(c.ready, 1 << READY_ON_NOTIFY);
	assert_true(conf_has_signal(c.stop_signals, SIGINT) &&
		    !conf_has_signal(c.stop_signals, SIGTERM));
	assert_string_equal(c.label, "true");
	conf_done(&c);
}

static void probes_are_named_apart(void **state) {
	static const char *const names[] = {"http", "http-3", "http-2", "heartbeat", "http-4"};
	struct conf c;
	usec_t w;

	assert_int_equal(RESOLVE(&c, &alone, &w, "--http=http://a", "--http=http://b",
				 "--http=http://c", "--name=http-2", "--heartbeat",
				 "--http=http://d", "true"),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(c.probes[i]->name, names[i]);
	conf_done(&c);
}

/* Errors that only the whole can tell ------------------------------------------------------ */

static const struct bad {
	const struct conf_env *env;
	const char *words[10];
	const char *errors;
} bad[] = {
	{&alone, {NULL}, "no command given; see sdwd --help"},
	{&alone, {"--check"}, "no command given; see sdwd --help"},
	{&alone, {"--"}, "no command given; see sdwd --help"},
	{&alone, {""}, "the command '' is empty"},
	{&with_watchdog,
	 {"--watchdog-sec=30", "x"},
	 "--watchdog-sec: '30' has no place here: systemd sets the watchdog (WatchdogSec= in the "
	 "unit)"},
	{&alone,
	 {"--http=http://a", "--name=n", "--exec=y", "--name=n", "x"},
	 "--name: 'n' is the name of another probe"},
	{&alone, {"--http=ftp://a", "x"}, "--http: 'ftp://a' is not a URL"},
	{&alone,
	 {"--fall=5", "x"},
	 "--fall: '5' is for no probe here: none of them knows this option"},
	{&alone,
	 {"--fall=5", "--heartbeat", "x"},
	 "--fall: '5' is for no probe here: none of them knows this option"},
	{&alone,
	 {"--http-status=204", "--exec=y", "x"},
	 "--http-status: '204' is for no probe here: none of them knows this option"},
	{&alone,
	 {"--require=any", "x"},
	 "--require: 'any' is more than the 0 probes that are not optional"},
	{&alone,
	 {"--require=2", "--http=http://a", "--exec=y", "--optional", "x"},
	 "--require: '2' is more than the 1 probe that is not optional"},
	{&alone,
	 {"--require=3", "--http=http://a", "--exec=y", "x"},
	 "--require: '3' is more than the 2 probes that are not optional"},
	{&alone,
	 {"--pidfile=/a", "--forking", "x"},
	 "--forking: cannot be combined with --pidfile"},
	{&alone, {"--pidfile=/a", "--pidfile=/b", "x"}, "--pidfile: '/b' can be given only once"},
	{&alone, {"--forking", "--forking", "x"}, "--forking: can be given only once"},
	{&alone,
	 {"--notify", "--notify=watchdog", "x"},
	 "--notify: 'watchdog' can be given only once"},
	{&alone,
	 {"--forking", "--pdeathsig=TERM", "x"},
	 "--pdeathsig: 'TERM' cannot be combined with --forking: such a daemon is not sdwd's own "
	 "child"},
	{&alone,
	 {"--pdeathsig=9", "--pidfile=/a", "x"},
	 "--pdeathsig: '9' cannot be combined with --pidfile: such a daemon is not sdwd's own "
	 "child"},
	{&alone,
	 {"--notify", "--notify-access=none", "x"},
	 "--notify-access: 'none' cannot be combined with --notify"},
	{&alone,
	 {"--ready=exec,notify", "--notify-access=none", "x"},
	 "--notify-access: 'none' cannot be combined with --ready=notify"},
	/* all of them at once */
	{&alone,
	 {"--require=2", "--http=ftp://a", "--rise=3"},
	 "no command given; see sdwd --help\n"
	 "--http: 'ftp://a' is not a URL\n"
	 "--require: '2' is more than the 1 probe that is not optional"},
};

static void contradictions(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct conf c;
		usec_t w = 1;
		int r = resolve(&c, bad[i].env, &w, bad[i].words);

		assert_string_equal(error_text, bad[i].errors);
		assert_int_equal(r, -EINVAL);
		assert_int_equal(w, 1);
		conf_done(&c);
	}
}

static void what_looks_odd_and_is_right(void **state) {
	struct conf c;
	usec_t w;

	assert_int_equal(RESOLVE(&c, &alone, &w, "--require=2", "--http=http://a", "--exec=y",
				 "--ready=healthy,notify", "x"),
			 0);
	conf_done(&c);
	assert_int_equal(RESOLVE(&c, &with_watchdog, &w, "--fall=5", "--heartbeat",
				 "--http=http://a", "--pdeathsig=TERM", "--notify-access=none",
				 "x"),
			 0);
	conf_done(&c);
	assert_int_equal(RESOLVE(&c, &alone, &w, "--require=any", "--pidfile=/p", "x"), 0);
	assert_int_equal(c.require, 1);
	conf_done(&c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_follow_the_watchdog),
		cmocka_unit_test(own_durations_stay_and_lead_the_others),
		cmocka_unit_test(watchdog_time),
		cmocka_unit_test(service_defaults_follow_the_surroundings),
		cmocka_unit_test(probes_are_named_apart),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(what_looks_odd_and_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
