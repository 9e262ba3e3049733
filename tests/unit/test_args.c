/* SPDX-License-Identifier: MIT */
#include "conf/args.h"

#include "conf/foreign.h"
#include "fake_kinds.h"

/* Wrong command lines ---------------------------------------------------------------------- */

#define TWENTY "abcdefghijklmnopqrst"
#define LONG_ONLY ": sdwd has long options only; the command's own options come after the command"
#define NO_DURATION " is not a duration (like 500ms, 10s or 1min 30s)"

static const struct bad {
	const char *words[8];
	const char *error;
} bad[] = {
	/* values */
	{{"--http=u", "--fall=0"}, "--fall: '0' is out of range (1-1000)"},
	{{"--http=u", "--fall", "1001"}, "--fall: '1001' is out of range (1-1000)"},
	{{"--http=u", "--fall=x"}, "--fall: 'x' is not a number"},
	{{"--http=u", "--fall="}, "--fall: '' is not a number"},
	{{"--fall=0"}, "--fall: '0' is out of range (1-1000)"},
	{{"--http=u", "--rise=0"}, "--rise: '0' is out of range (1-1000)"},
	{{"--http=u", "--fall-window=3"}, "--fall-window: '3' is not X/Y with 1 <= X <= Y <= 64"},
	{{"--http=u", "--fall-window=0/3"},
	 "--fall-window: '0/3' is not X/Y with 1 <= X <= Y <= 64"},
	{{"--http=u", "--fall-window=4/3"},
	 "--fall-window: '4/3' is not X/Y with 1 <= X <= Y <= 64"},
	{{"--http=u", "--fall-window=3/65"},
	 "--fall-window: '3/65' is not X/Y with 1 <= X <= Y <= 64"},
	{{"--http=u", "--fall-window=3/5/7"},
	 "--fall-window: '3/5/7' is not X/Y with 1 <= X <= Y <= 64"},
	{{"--http=u", "--interval=9ms"}, "--interval: '9ms' is out of range (10ms-52w)"},
	{{"--http=u", "--interval=infinity"}, "--interval: 'infinity' is out of range (10ms-52w)"},
	{{"--http=u", "--interval=often"}, "--interval: 'often'" NO_DURATION},
	{{"--http=u", "--timeout=0"}, "--timeout: '0' is out of range (1ms-52w)"},
	{{"--http=u", "--timeout=-1"}, "--timeout: '-1'" NO_DURATION},
	{{"--http=u", "--fast-interval=1us"}, "--fast-interval: '1us' is out of range (10ms-52w)"},
	{{"--heartbeat", "--silence=0"}, "--silence: '0' is out of range (10ms-52w)"},
	{{"--http=u", "--name="}, "--name: '' is empty"},
	{{"--http=u", "--name=a\nb"}, "--name: 'a?b' has control characters"},
	{{"--http=u", "--name=\xc2\x9b"
		      "31m"},
	 "--name: '?31m' has control characters"},
	{{"--label=\xc2\x9b"
	  "31m"},
	 "--label: '?31m' has control characters or is no UTF-8"},
	{{"--http=u", "--name=process"},
	 "--name: 'process' is the name of the look at the process itself"},
	{{"--http=u", "--optional=perhaps"}, "--optional: 'perhaps' is not yes or no"},
	{{"--http=u", "--http-status=99"}, "--http-status: '99' is out of range (100-999)"},
	{{"--http-status=99"}, "--http-status: '99' is out of range (100-999)"},
	{{"--http=u", "--http-header=x"}, "--http-header: 'x' has no colon"},
	{{"--http="}, "--http: '' is empty"},
	{{"--heartbeat="}, "--heartbeat: '' is empty"},
	{{"--forking=maybe"}, "--forking: 'maybe' is not yes or no"},
	{{"--ready="}, "--ready: '' is not one of healthy, exec, notify"},
	{{"--ready=healthy,up"}, "--ready: 'up' is not one of healthy, exec, notify"},
	{{"--require=0"}, "--require: '0' is not all, any or a number from 1"},
	{{"--require=most"}, "--require: 'most' is not all, any or a number from 1"},
	{{"--require=4294967297"}, "--require: '4294967297' is not all, any or a number from 1"},
	{{"--on-unhealthy=restart"},
	 "--on-unhealthy: 'restart' is not one of withhold, trigger, kill, warn"},
	{{"--watchdog-sec=0"}, "--watchdog-sec: '0' is out of range (10ms-52w)"},
	{{"--watchdog-sec=infinity"}, "--watchdog-sec: 'infinity' is out of range (10ms-52w)"},
	{{"--unhealthy-hook="}, "--unhealthy-hook: '' is empty"},
	{{"--hook-timeout=0"}, "--hook-timeout: '0' is out of range (1ms-52w)"},
	{{"--dump-signal=QIT"}, "--dump-signal: 'QIT' is not a signal"},
	{{"--kill-signal=0"}, "--kill-signal: '0' is not a signal"},
	{{"--kill-signal=65"}, "--kill-signal: '65' is not a signal"},
	{{"--kill-timeout=0"}, "--kill-timeout: '0' is out of range (1ms-52w)"},
	{{"--stop-signal=TERM,"}, "--stop-signal: '' is not a signal"},
	{{"--stop-signal=TERM,FOO"}, "--stop-signal: 'FOO' is not a signal"},
	{{"--stop-signal=KILL"},
	 "--stop-signal: 'KILL' is not a signal that sdwd can catch and pass on"},
	{{"--stop-signal=TERM,CHLD"},
	 "--stop-signal: 'CHLD' is not a signal that sdwd can catch and pass on"},
	{{"--orphans=kill"}, "--orphans: 'kill' is not one of term, wait, leave"},
	{{"--start-timeout=0"}, "--start-timeout: '0' is out of range (1ms or more)"},
	{{"--extend-start=x"}, "--extend-start: 'x'" NO_DURATION},
	{{"--signal-map=TERM"}, "--signal-map: 'TERM' is not a pair of signals A:B"},
	{{"--signal-map=FOO:TERM"}, "--signal-map: 'FOO' is not a signal"},
	{{"--signal-map=TERM:FOO"}, "--signal-map: 'FOO' is not a signal, nor 0 (drop it)"},
	{{"--signal-map=TERM:INT,HUP:"}, "--signal-map: '' is not a signal, nor 0 (drop it)"},
	{{"--signal-map=0:TERM"}, "--signal-map: '0' is not a signal"},
	{{"--signal-map=STOP:TERM"},
	 "--signal-map: 'STOP' is not a signal that sdwd can catch and pass on"},
	{{"--signal-map=TERM:INT:HUP"}, "--signal-map: 'INT:HUP' is not a signal, nor 0 (drop it)"},
	{{"--exit-map=143"}, "--exit-map: '143' is not a pair of exit codes A:B"},
	{{"--exit-map=256:0"}, "--exit-map: '256' is not an exit code (0-255)"},
	{{"--exit-map=0:-1"}, "--exit-map: '-1' is not an exit code (0-255)"},
	{{"--exit-map=1:2,"}, "--exit-map: '' is not a pair of exit codes A:B"},
	{{"--exit-status=same"}, "--exit-status: 'same' is not one of mirror, shell"},
	{{"--argv0="}, "--argv0: '' is empty"},
	{{"--label="}, "--label: '' is empty"},
	{{"--label=a/b"}, "--label: 'a/b' cannot name a file (no '/', no '.' in front)"},
	{{"--label=.."}, "--label: '..' cannot name a file (no '/', no '.' in front)"},
	{{"--rtprio=0"}, "--rtprio: '0' is out of range (1-99)"},
	{{"--nice=20"}, "--nice: '20' is out of range (-20 to 19)"},
	{{"--oom-score-adjust=-1001"},
	 "--oom-score-adjust: '-1001' is out of range (-1000 to 1000)"},
	{{"--log-level=7"}, "--log-level: '7' is not one of err, warning, notice, info, debug"},
	{{"--log-target=syslog"}, "--log-target: 'syslog' is not one of auto, journal, stderr"},
	{{"--setsid=2"}, "--setsid: '2' is not yes or no"},
	{{"--label=" TWENTY TWENTY TWENTY TWENTY "x"},
	 "--label: '" TWENTY TWENTY TWENTY TWENTY "x' is longer than 80 bytes"},
	{{"--http=u", "--name=" TWENTY TWENTY TWENTY "12345"},
	 "--name: '" TWENTY TWENTY TWENTY "12345' is longer than 64 bytes"},
	/* missing values */
	{{"--label"}, "--label: needs a value"},
	{{"--label", "--", "true"}, "--label: needs a value"},
	{{"--http"}, "--http: needs a value"},
	{{"--http=u", "--fall"}, "--fall: needs a value"},
	/* unknown options */
	{{"--foo"}, "unknown option '--foo'"},
	{{"--foo=bar"}, "unknown option '--foo'"},
	{{"--"
	  "=x"},
	 "unknown option '--'"},
	{{"--\x1b[31m"}, "unknown option '--?[31m'"},
	{{"---"}, "unknown option '---'"},
	{{"--intreval=3"}, "unknown option '--intreval'; did you mean '--interval'?"},
	{{"--xxxerval=3"}, "unknown option '--xxxerval'"},
	{{"--" TWENTY TWENTY "x=3"}, "unknown option '--" TWENTY TWENTY "x'"},
	{{"--fa=3"}, "unknown option '--fa'"},
	{{"--fal=3"}, "unknown option '--fal'; did you mean '--fall'?"},
	{{"--htp=u"}, "unknown option '--htp'; did you mean '--http'?"},
	{{"--http-staus=3"}, "unknown option '--http-staus'; did you mean '--http-status'?"},
	{{"--on-unhealth=kill"}, "unknown option '--on-unhealth'; did you mean '--on-unhealthy'?"},
	{{"--Fall=3"}, "unknown option '--Fall'; did you mean '--fall'?"},
	/* names from elsewhere */
	{{"--retries=3"}, "--retries: not an option here; use --fall"},
	{{"--http=u", "--failure-threshold=3"},
	 "--failure-threshold: not an option here; use --fall"},
	{{"--success-threshold", "1"}, "--success-threshold: not an option here; use --rise"},
	{{"--period-seconds=3"}, "--period-seconds: not an option here; use --interval"},
	{{"--initial-delay=3"}, "--initial-delay: not an option here; use --start-period"},
	{{"--health-cmd=true"},
	 "--health-cmd: not an option here; use --exec, or --http without a program"},
	{{"--rewrite=15:2"}, "--rewrite: not an option here; use --signal-map"},
	{{"--restart=always"},
	 "--restart: not an option here; systemd does it: Restart= in the unit"},
	{{"--user=www"}, "--user: not an option here; systemd does it: User= in the unit"},
	{{"-g"}, "-g: not an option here; use --signal-group"},
	{{"-vvv"}, "-v: not an option here; use --log-level=debug"},
	{{"-x"}, "unknown option '-x'" LONG_ONLY},
	{{"-l", "ls"}, "unknown option '-l'" LONG_ONLY},
	{{"-help"}, "unknown option '-help'" LONG_ONLY},
	{{"-\n"}, "unknown option '-'" LONG_ONLY},
	/* places */
	{{"--name=a", "--http=u"}, "--name: 'a': belongs after the probe that it is for"},
	{{"--optional", "--http=u"}, "--optional: belongs after the probe that it is for"},
	{{"--http-body=x", "--http=u"}, "--http-body: 'x': belongs after the probe that it is for"},
	{{"--heartbeat", "--fall=3"}, "--fall: '3': not an option of --heartbeat"},
	{{"--heartbeat", "--timeout=3"}, "--timeout: '3': not an option of --heartbeat"},
	{{"--http=u", "--silence=3"}, "--silence: '3': not an option of --http"},
	{{"--http=u", "--notify", "--http-status=204"},
	 "--http-status: '204': not an option of --notify; it belongs to --http"},
	{{"--exec=x", "--fall-window=1/2"}, "--fall-window: '1/2': not an option of --exec"},
	{{"--pidfile=/p", "--optional"}, "--optional: not an option of --pidfile"},
	{{"--forking", "--start-period=1s"}, "--start-period: '1s': not an option of --forking"},
	{{"--heartbeat", "--interval=1s"}, "--interval: '1s': not an option of --heartbeat"},
	/* the first one wins */
	{{"--foo", "--fall=0"}, "unknown option '--foo'"},
	{{"--require=0", "--help"}, "--require: '0' is not all, any or a number from 1"},
};

static void bad_input(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct conf c;
		int r = parse(&c, bad[i].words);

		assert_string_equal(error_text, bad[i].error);
		assert_int_equal(r, -EINVAL);
		conf_done(&c);
	}
}

static void long_wrong_values_make_a_short_line(void **state) {
	struct conf c;
	char value[100000] = "--orphans=";

	memset(value + 10, '\n', sizeof(value) - 11);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(PARSE(&c, value), -EINVAL);
	assert_null(strchr(error_text, '\n'));
	assert_true(strlen(error_text) < 200);
	conf_done(&c);
}

/* Of a kind that this test does not make up. */
static bool is_of_other_kind(const char *word) {
	static const char *const words[] = {"tcp",          "unix", "send", "expect",
					    "listen-queue", "grpc", "dbus"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return strncmp(word, "http-", 5) == 0 || strncmp(word, "grpc-", 5) == 0 ||
	       strncmp(word, "dbus-", 5) == 0;
}

static void foreign_names_are_not_ours(void **state) {
	for (const struct foreign_name *f = foreign_names; f->name; f++) {
		const char *advice = strstr(f->advice, "--");
		char word[80];
		struct conf c;

		assert_int_equal(conf_argument(f->name, fake_kinds), CONF_UNKNOWN);
		assert_ptr_equal(foreign_find(f->name), f);
		snprintf(word, sizeof(word), "%s%s", f->name[1] == '\0' ? "-" : "--", f->name);
		assert_int_equal(PARSE(&c, word), -EINVAL);
		assert_non_null(strstr(error_text, f->advice));
		/* What it names is one of ours. */
		for (; advice; advice = strstr(advice + 2, "--")) {
			size_t n = strcspn(advice + 2, " =,;");

			snprintf(word, sizeof(word), "%.*s", (int)n, advice + 2);
			if (!is_of_other_kind(word))
				assert_int_not_equal(conf_argument(word, fake_kinds), CONF_UNKNOWN);
		}
		conf_done(&c);
	}
}

/* The command ------------------------------------------------------------------------------ */

static const struct command_case {
	const char *words[8];
	const char *command[8];
} command_cases[] = {
	{{"ls", "-l"}, {"ls", "-l"}},
	{{"--setsid", "ls", "-l", "--setsid=no"}, {"ls", "-l", "--setsid=no"}},
	{{"--", "ls", "--help"}, {"ls", "--help"}},
	{{"--", "--", "true"}, {"--", "true"}},
	{{"ls", "--", "x"}, {"ls", "--", "x"}},
	{{"--", "-x"}, {"-x"}},
	{{"-"}, {"-"}},
	{{""}, {""}},
	{{"sh", "-c", "exit 3"}, {"sh", "-c", "exit 3"}},
	{{"--heartbeat", "5", "x"}, {"5", "x"}},
	{{"--heartbeat", "--", "5"}, {"5"}},
	{{"--http", "u", "--fall", "5", "x"}, {"x"}},
	{{"--label", "--x", "y"}, {"y"}},
	{{"--forking", "yes"}, {"yes"}},
	{{"--setsid"}, {NULL}},
	{{"--"}, {NULL}},
	{{NULL}, {NULL}},
	{{"--help", "--foo", "x"}, {NULL}},
	{{"-V", "-x"}, {NULL}},
};

static void the_rest_is_the_command(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(command_cases); i++) {
		const struct command_case *t = &command_cases[i];
		size_t n = count_words(t->command);
		struct conf c;

		assert_int_equal(parse(&c, t->words), 0);
		assert_string_equal(error_text, "");
		if (n == 0)
			assert_null(c.command);
		for (size_t k = 0; k < n; k++) {
			assert_string_equal(c.command[k], t->command[k]);
			assert_ptr_not_equal(c.command[k], t->command[k]);
		}
		if (n > 0)
			assert_null(c.command[n]);
		conf_done(&c);
	}
}

static void what_to_do_instead(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "-h"), 0);
	assert_true(c.do_help && !c.do_version);
	conf_done(&c);
	assert_int_equal(PARSE(&c, "-V"), 0);
	assert_true(c.do_version && !c.do_help);
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--version"), 0);
	assert_true(c.do_version);
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--check", "--dump-options", "x"), 0);
	assert_true(c.do_check && c.do_dump_options);
	assert_string_equal(c.command[0], "x");
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--check", "--retries"), -EINVAL);
	conf_done(&c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input),
		cmocka_unit_test(long_wrong_values_make_a_short_line),
		cmocka_unit_test(foreign_names_are_not_ours),
		cmocka_unit_test(the_rest_is_the_command),
		cmocka_unit_test(what_to_do_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
