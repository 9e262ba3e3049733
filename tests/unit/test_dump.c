/* SPDX-License-Identifier: MIT */
#include "conf/dump.h"

#include "base/words.h"
#include "conf/show.h"
#include "fake_kinds.h"

static const struct conf_env alone, with_watchdog = {true, 20 * USEC_PER_SEC, "web.service"};

struct page {
	char lines[200][512];
	size_t n;
};

static void add_line(void *context, const char *line) {
	struct page *page = context;

	assert_true(page->n < ARRAY_SIZE(page->lines));
	assert_true(strlen(line) < sizeof(page->lines[0]));
	strcpy(page->lines[page->n++], line);
}

/* True where some line is exactly @line. */
static bool has_line(const struct page *page, const char *line) {
	for (size_t i = 0; i < page->n; i++)
		if (strcmp(page->lines[i], line) == 0)
			return true;
	return false;
}

static void values_show_their_origin(void **state) {
	static const char *const lines[] = {
		"service:",
		"  ready             = healthy           (default: healthy; exec where no probe is "
		"required)",
		"  require           = any               (command line)",
		"  on-unhealthy      = kill              (default: withhold; without a watchdog "
		"warn; without NOTIFY_SOCKET kill)",
		"  watchdog-sec      = 30s               (default)",
		"  unhealthy-hook    = /bin/h a?b        (command line)",
		"  hook-timeout      = 5s                (default)",
		"  dump-signal       = none              (default)",
		"  kill-signal       = SIGINT            (/etc/x.conf:3)",
		"  stop-signal       = SIGABRT,SIGTERM   (default: SIGTERM,SIGABRT and the unit's "
		"KillSignal where known)",
		"  start-timeout     = none              (default)",
		"  extend-start      = 1min 30s          (command line)",
		"  signal-map        = TERM:INT          (command line)",
		"  signal-map        = HUP:0             (command line)",
		"  setsid            = yes               (command line)",
		"  mlock             = no                (default)",
		"  nice              = off               (default)",
		"  rtprio            = off               (default)",
		"  label             = cmd               (default: unit name, else the command's "
		"base name)",
		"  log-level         = info              (default)",
		"probe http:",
		"  http              = http://a          (command line)",
		"  name              = http              (default: the kind's name: http, http-2, "
		"...)",
		"  interval          = 6s                (default: W/5 within 200ms..10s)",
		"  timeout           = 1s                (command line)",
		"  fall              = 3                 (default)",
		"  rise              = 2                 (command line) before the first probe",
		"  fall-window       = 2/5               (command line)",
		"  fast-interval     = 3s                (default: half the interval)",
		"  start-period      = until the first pass (default)",
		"  optional          = no                (default)",
		"  http-status       = 200               (default)",
		"  http-body         = none              (default)",
		"  http-header       = A: 1              (command line)",
		"  http-header       = B: 2              (command line)",
		"probe beat:",
		"  heartbeat         = yes               (command line)",
		"  name              = beat              (command line)",
		"  silence           = 24s               (default: 0.8 W)",
	};
	struct text error = TEXT_OVER(error_text);
	struct page *page = calloc(1, sizeof(*page));
	struct conf c;
	usec_t w;

	conf_init(&c);
	assert_int_equal(from_file(&c, 3, "kill-signal", "2"), 0);
	assert_int_equal(
		from_argv(&c, (const char *const[]){"--require=any", "--unhealthy-hook=/bin/h a\nb",
						    "--extend-start=90", "--signal-map=TERM:INT",
						    "--signal-map=HUP:0", "--setsid", "--rise=2",
						    "--http=http://a", "--timeout=1000ms",
						    "--fall-window=2/5", "--http-header=A: 1",
						    "--http-header=B: 2", "--heartbeat",
						    "--name=beat", "cmd", NULL}),
		0);
	assert_int_equal(conf_resolve(&c, &alone, &w, &error), 0);
	show_values(&c, &alone, w, add_line, page);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!has_line(page, lines[i]))
			fail_msg("missing: %s", lines[i]);
	assert_string_equal(page->lines[0], "service:");
	/* What a push probe does not know is not shown for it. */
	for (size_t i = 0; i < page->n; i++)
		if (strcmp(page->lines[i], "probe beat:") == 0)
			for (size_t k = i; k < page->n; k++)
				assert_null(strstr(page->lines[k], "fall"));
	conf_done(&c);
	free(page);
}

static void the_command_is_shown_as_a_file_would_have_it(void **state) {
	static const char command[] = "/bin/c -x 'a b' '' 'it'\\''s' '\"' 'x|y' '\\' ''\\''' "
				      "\xc3\xa4,e:f@g";
	const struct origin origin = {.kind = ORIGIN_FILE, .line = 9, .file = "/etc/x.conf"};
	struct page *page = calloc(1, sizeof(*page));
	struct text error = TEXT_OVER(error_text);
	char expected[200], **words;
	struct conf c;
	usec_t w;

	conf_init(&c);
	assert_int_equal(words_split(command, &words, NULL), 0);
	assert_string_equal(words[8], "'");
	assert_int_equal(conf_set_command(&c, words, &origin), 0);
	words_free(words);
	assert_int_equal(conf_resolve(&c, &alone, &w, &error), 0);
	show_values(&c, &alone, w, add_line, page);
	snprintf(expected, sizeof(expected), "  command           = %s (/etc/x.conf:9)", command);
	assert_string_equal(page->lines[1], expected);
	conf_done(&c);
	free(page);
}

/* U+009B begins a command of the terminal, as ESC [ does. */
static void what_is_shown_commands_no_terminal(void **state) {
	struct page *page = calloc(1, sizeof(*page));
	struct text error = TEXT_OVER(error_text);
	struct conf c;
	usec_t w;

	conf_init(&c);
	assert_int_equal(from_argv(&c, (const char *const[]){"--argv0=\xc2\x9b"
							     "31m\033\x7f\xff\xc3\xa4",
							     "cmd", NULL}),
			 0);
	assert_int_equal(conf_resolve(&c, &alone, &w, &error), 0);
	show_values(&c, &alone, w, add_line, page);
	assert_true(has_line(page, "  argv0             = ?31m???\xc3\xa4        (command line)"));
	conf_done(&c);
	free(page);
}

static void watchdog_of_systemd_is_shown_as_such(void **state) {
	struct page *page = calloc(1, sizeof(*page));
	struct conf c;
	usec_t w;

	assert_int_equal(RESOLVE(&c, &with_watchdog, &w, "x"), 0);
	show_values(&c, &with_watchdog, w, add_line, page);
	assert_true(has_line(page,
			     "  watchdog-sec      = 20s               (WATCHDOG_USEC of systemd)"));
	conf_done(&c);
	free(page);
}

static void every_option_is_dumped_and_helped(void **state) {
	struct page *dump = calloc(1, sizeof(*dump)), *help = calloc(1, sizeof(*help));
	size_t n_options = 0;

	dump_options(fake_kinds, add_line, dump);
	dump_help(fake_kinds, add_line, help);
	for (const struct opt *o = service_options; o->name; o++)
		n_options++;
	for (const struct opt *o = probe_options; o->name; o++)
		n_options++;
	n_options += ARRAY_SIZE(fake_kinds) - 1 + ARRAY_SIZE(fake_http_options) - 1;
	assert_int_equal(dump->n, n_options);

	assert_true(has_line(dump, "http\tURL\t-\thttp\tgood when it answers"));
	assert_true(has_line(dump, "heartbeat\t[FD]\t-\theartbeat\tgood when it writes to a pipe"));
	assert_true(has_line(dump, "forking\t-\t-\tforking\tgood when one descendant is left"));
	assert_true(has_line(dump, "http-status\tCODE\t200\thttp\tthe expected status"));
	assert_true(has_line(dump, "fall\tN\t3\tprobe\tfailures in a row that make it unhealthy"));
	assert_true(has_line(dump, "interval\tDURATION\tW/5 within 200ms..10s\tprobe\t"
				   "from the start of one look to the start of the next"));
	assert_true(has_line(dump, "setsid\t-\t-\tservice\t"
				   "start the child in a session of its own"));
	assert_true(has_line(dump, "start-timeout\tDURATION\tnone\tservice\t"
				   "not ready by then: the child is ended, exit status 124"));

	for (size_t i = 0; i < dump->n; i++) {
		char *line = dump->lines[i], option[64];
		unsigned n_tabs = 0;
		bool is_helped = false;

		for (const char *p = line; *p != '\0'; p++)
			n_tabs += *p == '\t';
		assert_int_equal(n_tabs, 4);
		snprintf(option, sizeof(option), "  --%.*s", (int)strcspn(line, "\t"), line);
		for (size_t k = 0; k < help->n; k++)
			is_helped |= strncmp(help->lines[k], option, strlen(option)) == 0 &&
				     strchr(" =[", help->lines[k][strlen(option)]);
		if (!is_helped)
			fail_msg("not in the help: %s", option);
	}
	for (size_t k = 0; k < help->n; k++)
		assert_true(strlen(help->lines[k]) <= 80);
	assert_string_equal(help->lines[0], "Usage: sdwd [OPTION...] [--] COMMAND [ARGUMENT...]");
	assert_true(has_line(help, "  --fall=N                failures in a row that make it "
				   "unhealthy (default: 3)"));
	assert_true(has_line(help, "  --heartbeat[=FD]        good when it writes to a pipe"));
	free(dump);
	free(help);
}

static void no_option_stands_twice(void **state) {
	struct page *dump = calloc(1, sizeof(*dump));

	dump_options(fake_kinds, add_line, dump);
	for (size_t i = 0; i < dump->n; i++)
		for (size_t k = i + 1; k < dump->n; k++) {
			size_t n = strcspn(dump->lines[i], "\t") + 1;

			assert_true(strncmp(dump->lines[i], dump->lines[k], n) != 0);
		}
	free(dump);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_show_their_origin),
		cmocka_unit_test(the_command_is_shown_as_a_file_would_have_it),
		cmocka_unit_test(what_is_shown_commands_no_terminal),
		cmocka_unit_test(watchdog_of_systemd_is_shown_as_such),
		cmocka_unit_test(every_option_is_dumped_and_helped),
		cmocka_unit_test(no_option_stands_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
