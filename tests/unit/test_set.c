/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include "fake_kinds.h"

static void every_service_option_reaches_its_field(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--ready=exec,notify", "--require=2", "--on-unhealthy=trigger",
			       "--watchdog-sec=20s", "--unhealthy-hook=/bin/h -x",
			       "--hook-timeout=3s", "--dump-signal=QUIT", "--dump-wait=1s",
			       "--kill-signal=SIGINT", "--kill-timeout=4",
			       "--stop-signal=TERM,RTMIN+3,64", "--orphans=leave",
			       "--orphan-timeout=6s", "--start-timeout=1min", "--extend-start=1h",
			       "--pidfile-timeout=7s", "--signal-map=TERM:INT,HUP:0",
			       "--signal-group", "--setsid", "--pdeathsig=9", "--argv0=-sh",
			       "--exit-status=shell", "--exit-map=143:0,0:255",
			       "--notify-access=all", "--label=web", "--mlock", "--rtprio=5",
			       "--nice=-5", "--oom-score-adjust=-900", "--log-level=debug",
			       "--log-target=stderr"),
			 0);
	assert_int_equal(c.ready, 1 << READY_ON_EXEC | 1 << READY_ON_NOTIFY);
	assert_int_equal(c.require, 2);
	assert_int_equal(c.on_unhealthy, ON_UNHEALTHY_TRIGGER);
	assert_int_equal(c.watchdog_usec, 20 * USEC_PER_SEC);
	assert_string_equal(c.unhealthy_hook, "/bin/h -x");
	assert_int_equal(c.hook_timeout_usec, 3 * USEC_PER_SEC);
	assert_int_equal(c.dump_signal, SIGQUIT);
	assert_int_equal(c.dump_wait_usec, USEC_PER_SEC);
	assert_int_equal(c.kill_signal, SIGINT);
	assert_int_equal(c.kill_timeout_usec, 4 * USEC_PER_SEC);
	for (int n = 1; n <= SIGNAL_MAX; n++)
		assert_int_equal(conf_has_signal(c.stop_signals, n),
				 n == SIGTERM || n == SIGRTMIN + 3 || n == 64);
	assert_int_equal(c.orphans, ORPHANS_LEAVE);
	assert_int_equal(c.orphan_timeout_usec, 6 * USEC_PER_SEC);
	assert_int_equal(c.start_timeout_usec, USEC_PER_MINUTE);
	assert_int_equal(c.extend_start_usec, 60 * USEC_PER_MINUTE);
	assert_int_equal(c.pidfile_timeout_usec, 7 * USEC_PER_SEC);
	for (int n = 0; n <= SIGNAL_MAX; n++)
		assert_int_equal(c.signal_map[n], n == SIGTERM  ? SIGINT
						  : n == SIGHUP ? 0
								: SIGNAL_SAME);
	assert_true(c.signal_group && c.setsid && c.mlock);
	assert_int_equal(c.pdeathsig, SIGKILL);
	assert_string_equal(c.argv0, "-sh");
	assert_int_equal(c.exit_mode, EXIT_SHELL);
	for (int n = 0; n < 256; n++)
		assert_int_equal(c.exit_map[n], n == 143 ? 0 : n == 0 ? 255 : -1);
	assert_int_equal(c.notify_access, NOTIFY_ACCESS_ALL);
	assert_string_equal(c.label, "web");
	assert_int_equal(c.rtprio, 5);
	assert_int_equal(c.nice, -5);
	assert_int_equal(c.oom_score_adjust, -900);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.log_target, LOG_TARGET_STDERR);
	conf_done(&c);
}

static void service_defaults(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "true"), 0);
	assert_int_equal(c.ready, 0);
	assert_int_equal(c.require, 0);
	assert_int_equal(c.on_unhealthy, -1);
	assert_int_equal(c.watchdog_usec, 0);
	assert_null(c.unhealthy_hook);
	assert_int_equal(c.hook_timeout_usec, 5 * USEC_PER_SEC);
	assert_int_equal(c.dump_signal, 0);
	assert_int_equal(c.dump_wait_usec, 2 * USEC_PER_SEC);
	assert_int_equal(c.kill_signal, SIGTERM);
	assert_int_equal(c.kill_timeout_usec, 10 * USEC_PER_SEC);
	assert_true(c.stop_signals == 0);
	assert_int_equal(c.orphans, ORPHANS_TERM);
	assert_int_equal(c.orphan_timeout_usec, 5 * USEC_PER_SEC);
	assert_true(c.start_timeout_usec == USEC_INFINITY);
	assert_int_equal(c.extend_start_usec, 0);
	assert_int_equal(c.pidfile_timeout_usec, 30 * USEC_PER_SEC);
	assert_int_equal(c.signal_map[SIGTERM], SIGNAL_SAME);
	assert_false(c.signal_group || c.setsid || c.mlock);
	assert_int_equal(c.pdeathsig, 0);
	assert_null(c.argv0);
	assert_int_equal(c.exit_mode, EXIT_MIRROR);
	assert_int_equal(c.exit_map[0], -1);
	assert_int_equal(c.exit_map[255], -1);
	assert_int_equal(c.notify_access, NOTIFY_ACCESS_MAIN);
	assert_int_equal(c.rtprio, 0);
	assert_int_equal(c.nice, INT_MAX);
	assert_int_equal(c.oom_score_adjust, INT_MAX);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.log_target, LOG_TARGET_AUTO);
	assert_int_equal(c.n_probes, 0);
	conf_done(&c);
}

static void the_last_use_counts_and_lists_add(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--label=a", "--label", "b", "--setsid", "--setsid=no",
			       "--stop-signal=TERM", "--stop-signal=INT", "--signal-map=TERM:INT",
			       "--signal-map=HUP:0", "--exit-map=1:2", "--exit-map=1:3,2:4"),
			 0);
	assert_string_equal(c.label, "b");
	assert_false(c.setsid);
	assert_true(conf_has_signal(c.stop_signals, SIGINT) &&
		    !conf_has_signal(c.stop_signals, SIGTERM));
	assert_int_equal(c.signal_map[SIGTERM], SIGINT);
	assert_int_equal(c.signal_map[SIGHUP], 0);
	assert_int_equal(c.exit_map[1], 3);
	assert_int_equal(c.exit_map[2], 4);
	assert_string_equal(conf_find_given(&c.given, "label")->value, "b");
	assert_int_equal(conf_find_given(&c.given, "label")->origin.kind, ORIGIN_ARGV);
	assert_null(conf_find_given(&c.given, "argv0"));
	conf_done(&c);
}

static void a_wrong_value_changes_nothing(void **state) {
	const struct origin origin = {.kind = ORIGIN_ARGV};
	struct text error = TEXT_OVER(error_text);
	struct conf c;

	assert_int_equal(PARSE(&c, "--signal-map=TERM:INT", "--exit-map=1:2", "--label=a"), 0);
	assert_true(conf_set(&c, "signal-map", "TERM:HUP,x:y", &origin, fake_kinds, &error) < 0);
	assert_int_equal(c.signal_map[SIGTERM], SIGINT);
	assert_true(conf_set(&c, "exit-map", "1:3,999:0", &origin, fake_kinds, &error) < 0);
	assert_int_equal(c.exit_map[1], 2);
	assert_true(conf_set(&c, "label", "a/b", &origin, fake_kinds, &error) < 0);
	assert_string_equal(c.label, "a");
	conf_done(&c);
}

static void probe_options_belong_to_the_probe_before_them(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--http=a", "--fall=5", "--http-status=204", "--http", "b",
			       "--fall-window=2/3", "--rise=2", "--optional", "--name=second",
			       "--http-body=x", "--heartbeat=5", "--silence=9", "--notify",
			       "--start-period=2min", "--pidfile=/p", "--name=p"),
			 0);
	assert_int_equal(c.n_probes, 5);
	assert_string_equal(c.probes[0]->target, "a");
	assert_int_equal(c.probes[0]->fall, 5);
	assert_int_equal(c.probes[0]->rise, 1);
	assert_int_equal(http_settings(&c, 0)->status, 204);
	assert_null(http_settings(&c, 0)->body);
	assert_false(c.probes[0]->is_optional);
	assert_null(c.probes[0]->name);
	assert_true(c.probes[0]->start_period_usec == USEC_INFINITY);

	assert_string_equal(c.probes[1]->target, "b");
	assert_int_equal(c.probes[1]->fall, 3);
	assert_int_equal(c.probes[1]->rise, 2);
	assert_int_equal(c.probes[1]->window_failures, 2);
	assert_int_equal(c.probes[1]->window_looks, 3);
	assert_int_equal(http_settings(&c, 1)->status, 200);
	assert_string_equal(http_settings(&c, 1)->body, "x");
	assert_true(c.probes[1]->is_optional);
	assert_string_equal(c.probes[1]->name, "second");

	assert_string_equal(c.probes[2]->target, "5");
	assert_int_equal(c.probes[2]->silence_usec, 9 * USEC_PER_SEC);
	assert_int_equal(c.probes[2]->fall, 1);
	assert_null(c.probes[3]->target);
	assert_int_equal(c.probes[3]->start_period_usec, 2 * USEC_PER_MINUTE);
	assert_string_equal(c.probes[4]->target, "/p");
	assert_int_equal(c.probes[4]->origin.kind, ORIGIN_ARGV);
	conf_done(&c);
}

static void defaults_reach_the_probes_that_know_them(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--fall=7", "--silence=8s", "--interval=2s", "--http-status=201",
			       "--http-header=A: 1", "--http=a", "--http=b", "--fall=2",
			       "--http-status=202", "--http-header=B: 2", "--exec=x", "--heartbeat",
			       "--file=/f", "--interval=3s", "--forking"),
			 0);
	assert_int_equal(c.probes[0]->fall, 7);
	assert_int_equal(c.probes[0]->interval_usec, 2 * USEC_PER_SEC);
	assert_int_equal(c.probes[0]->silence_usec, 0);
	assert_int_equal(http_settings(&c, 0)->status, 201);
	assert_string_equal(http_settings(&c, 0)->headers, "A: 1;");
	assert_int_equal(c.probes[1]->fall, 2);
	assert_int_equal(http_settings(&c, 1)->status, 202);
	assert_string_equal(http_settings(&c, 1)->headers, "A: 1;B: 2;");
	assert_int_equal(c.probes[2]->fall, 7);
	/* A push probe falls at once, whatever the default says. */
	assert_int_equal(c.probes[3]->fall, 1);
	assert_int_equal(c.probes[3]->silence_usec, 8 * USEC_PER_SEC);
	assert_int_equal(c.probes[3]->interval_usec, 0);
	assert_int_equal(c.probes[4]->interval_usec, 3 * USEC_PER_SEC);
	assert_int_equal(c.probes[4]->silence_usec, 8 * USEC_PER_SEC);
	assert_int_equal(c.probes[5]->fall, 1);
	assert_int_equal(c.probes[5]->interval_usec, 0);
	conf_done(&c);
}

static void a_flag_of_a_probe_can_be_refused(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--forking=no", "--http=u", "--optional=no"), 0);
	assert_int_equal(c.n_probes, 1);
	assert_false(c.probes[0]->is_optional);
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--forking=yes"), 0);
	assert_int_equal(c.n_probes, 1);
	assert_null(c.probes[0]->target);
	conf_done(&c);
}

static void values_have_no_length_limit(void **state) {
	size_t length = 1 << 20;
	char *word = malloc(length + 1);
	struct conf c;

	memset(word, 'h', length);
	word[length] = '\0';
	memcpy(word, "--http=", 7);
	assert_int_equal(PARSE(&c, word, "x"), 0);
	assert_string_equal(c.probes[0]->target, word + 7);
	conf_done(&c);
	free(word);
}

static void done_works_on_anything(void **state) {
	struct conf c = {0};

	conf_done(&c);
	conf_init(&c);
	conf_done(&c);
	conf_done(&c);
}

/* Sources ---------------------------------------------------------------------------------- */

static void file_errors_name_the_line(void **state) {
	static const struct {
		const char *name, *value, *error;
	} wrong[] = {
		{"fall", "0", "/etc/x.conf:7: fall: '0' is out of range (1-1000)"},
		{"foo", "1", "/etc/x.conf:7: unknown option 'foo'"},
		{"fal", "1", "/etc/x.conf:7: unknown option 'fal'; did you mean 'fall'?"},
		{"retries", "1", "/etc/x.conf:7: retries: not an option here; use --fall"},
		{"g", "1", "/etc/x.conf:7: unknown option 'g'"},
		{"label", NULL, "/etc/x.conf:7: label: needs a value"},
		{"http", NULL, "/etc/x.conf:7: http: needs a value"},
		{"name", "x", "/etc/x.conf:7: name: 'x': belongs after the probe that it is for"},
		{"help", "yes", "/etc/x.conf:7: help: only on the command line"},
		{"check", NULL, "/etc/x.conf:7: check: only on the command line"},
		{"config", "/y", "/etc/x.conf:7: config: only on the command line"},
		{"comand", "x", "/etc/x.conf:7: unknown option 'comand'; did you mean 'command'?"},
		{"unhealthy-hook", "a 'b",
		 "/etc/x.conf:7: unhealthy-hook: 'a 'b' is not a command: empty, or a quote is not "
		 "closed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct conf c;

		conf_init(&c);
		assert_int_equal(from_file(&c, 7, wrong[i].name, wrong[i].value), -EINVAL);
		assert_string_equal(error_text, wrong[i].error);
		assert_true(c.is_faulty);
		conf_done(&c);
	}
}

static void argv_comes_after_the_file(void **state) {
	struct text error = TEXT_OVER(error_text);
	const struct conf_given *g;
	struct conf c;
	usec_t w;

	conf_init(&c);
	assert_int_equal(from_file(&c, 1, "label", "file"), 0);
	assert_int_equal(from_file(&c, 2, "setsid", "yes"), 0);
	assert_int_equal(from_file(&c, 3, "rise", "2"), 0);
	assert_int_equal(from_file(&c, 4, "http", "http://a"), 0);
	assert_int_equal(from_file(&c, 5, "fall", "9"), 0);
	assert_int_equal(from_file(&c, 6, "http", "http://b"), 0);
	/* The options before argv's first probe are defaults again: for all, but not over a value
	 * that a probe was given itself. */
	assert_int_equal(from_argv(&c, (const char *const[]){"--label=argv", "--rise=4", "--fall=5",
							     "--http-status=204", "--http=http://c",
							     "--fall=6", "cmd", NULL}),
			 0);
	assert_int_equal(conf_resolve(&c, &(struct conf_env){0}, &w, &error), 0);
	assert_string_equal(c.label, "argv");
	assert_true(c.setsid);
	assert_int_equal(c.n_probes, 3);
	assert_int_equal(c.probes[0]->fall, 9);
	assert_int_equal(c.probes[1]->fall, 5);
	assert_int_equal(c.probes[2]->fall, 6);
	for (size_t i = 0; i < 3; i++) {
		const struct fake_settings *s = c.probes[i]->settings;

		assert_int_equal(c.probes[i]->rise, 4);
		assert_int_equal(s->status, 204);
	}

	g = conf_find_given(&c.given, "label");
	assert_int_equal(g->origin.kind, ORIGIN_ARGV);
	g = conf_find_given(&c.given, "setsid");
	assert_int_equal(g->origin.kind, ORIGIN_FILE);
	assert_int_equal(g->origin.line, 2);
	g = conf_find_given(&c.probes[0]->given, "fall");
	assert_int_equal(g->origin.line, 5);
	assert_false(g->is_default);
	g = conf_find_given(&c.probes[1]->given, "fall");
	assert_int_equal(g->origin.kind, ORIGIN_ARGV);
	assert_true(g->is_default);
	conf_done(&c);
}

static void a_command_replaces_the_files(void **state) {
	char one[] = "one", two[] = "two";
	char *const file_command[] = {one, two, NULL};
	const struct origin origin = {.kind = ORIGIN_FILE, .line = 2, .file = "/etc/x.conf"};
	struct conf c;

	conf_init(&c);
	assert_int_equal(conf_set_command(&c, file_command, &origin), 0);
	assert_int_equal(from_argv(&c, (const char *const[]){"--setsid", NULL}), 0);
	assert_string_equal(c.command[1], "two");
	assert_int_equal(from_argv(&c, (const char *const[]){"three", NULL}), 0);
	assert_string_equal(c.command[0], "three");
	assert_null(c.command[1]);
	conf_done(&c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_service_option_reaches_its_field),
		cmocka_unit_test(service_defaults),
		cmocka_unit_test(the_last_use_counts_and_lists_add),
		cmocka_unit_test(a_wrong_value_changes_nothing),
		cmocka_unit_test(probe_options_belong_to_the_probe_before_them),
		cmocka_unit_test(defaults_reach_the_probes_that_know_them),
		cmocka_unit_test(a_flag_of_a_probe_can_be_refused),
		cmocka_unit_test(values_have_no_length_limit),
		cmocka_unit_test(done_works_on_anything),
		cmocka_unit_test(file_errors_name_the_line),
		cmocka_unit_test(argv_comes_after_the_file),
		cmocka_unit_test(a_command_replaces_the_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
