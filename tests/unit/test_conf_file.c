/* SPDX-License-Identifier: MIT */
#include "conf/file.h"

#include "fake_kinds.h"

#define F "/etc/x.conf"

static const struct conf_env alone;

/* Reads @text as the file into @c. */
static int read_bytes(struct conf *c, const char *data, size_t length) {
	struct text errors = TEXT_OVER(error_text);
	/* An exact heap block without a NUL behind: a read too far is seen. */
	char *copy = malloc(length > 0 ? length : 1);
	int r;

	memcpy(copy, data, length);
	conf_init(c);
	r = conf_file_parse(c, F, copy, length, fake_kinds, &errors);
	free(copy);
	assert_int_equal(c->is_faulty, r < 0);
	assert_int_equal(r < 0, error_text[0] != '\0');
	return r;
}

static int read_text(struct conf *c, const char *text) {
	return read_bytes(c, text, strlen(text));
}

/* What the line of the label became, the simplest text value that there is. */
static void assert_label(const char *text, const char *label, unsigned line) {
	const struct conf_given *g;
	struct conf c;

	assert_int_equal(read_text(&c, text), 0);
	g = conf_find_given(&c.given, "label");
	assert_non_null(g);
	assert_string_equal(c.label, label);
	assert_int_equal(g->origin.kind, ORIGIN_FILE);
	assert_string_equal(g->origin.file, F);
	assert_int_equal(g->origin.line, line);
	conf_done(&c);
}

static void assert_errors(const char *text, const char *errors) {
	struct conf c;

	assert_int_equal(read_text(&c, text), -EINVAL);
	assert_string_equal(error_text, errors);
	conf_done(&c);
}

/* Lines ------------------------------------------------------------------------------------ */

static void blanks_around_do_not_belong_to_it(void **state) {
	assert_label("label=a", "a", 1);
	assert_label("label = a\n", "a", 1);
	assert_label("\t label \t=\t a \t\n", "a", 1);
	assert_label("label = a  b\n", "a  b", 1);
	assert_label("label =a=b = c\n", "a=b = c", 1);
	assert_label("label = 'a'", "'a'", 1);
	assert_label("label = \"a\\n\"", "\"a\\n\"", 1);
	assert_label("label = a # b", "a # b", 1);
	assert_label("label = %i $x ; y", "%i $x ; y", 1);
	assert_label("label = \xc3\xa4", "\xc3\xa4", 1);
}

static void empty_lines_and_comments_say_nothing(void **state) {
	struct conf c;

	assert_label("\n\n  \t\n# label = x\n \t#y\n#\nlabel = a\n\n", "a", 7);
	assert_label("#label = x \\\nlabel = a", "a", 2);
	assert_int_equal(read_text(&c, ""), 0);
	assert_null(c.label);
	conf_done(&c);
	assert_int_equal(read_text(&c, "\n#\n \n"), 0);
	conf_done(&c);
	assert_errors("; label = x", F ":1: '; label' is not 'option = value'");
	assert_errors(";label = x", F ":1: unknown option ';label'; did you mean 'label'?");
}

static void a_backslash_goes_on(void **state) {
	assert_label("label = a\\\nb", "ab", 1);
	assert_label("\nlabel = a \\\n   b\\\n\tc\n", "a bc", 2);
	assert_label("lab\\\nel \\\n= \\\n\\\na\n", "a", 1);
	/* Blanks at the end of a line do not belong to it, so also not behind the backslash. */
	assert_label("label = a \\ \t\n  b", "a b", 1);
	/* A comment among the continued lines is left out, as in a unit. */
	assert_label("label = a \\\n# no \\\n  #no\n b", "a b", 1);
	/* An empty line is the last one. */
	assert_label("label = a \\\n\nargv0 = b", "a", 1);
	assert_label("label = a \\\n \t\nargv0 = b", "a", 1);
	/* An even number of them ends the line, and stays. */
	assert_label("label = a\\\\\nargv0 = b", "a\\\\", 1);
	assert_label("label = a\\\\\\\nb", "a\\\\b", 1);
	assert_label("label = a\\b\\c", "a\\b\\c", 1);
	/* A line of nothing else is none. */
	assert_label("\\\n\nlabel = a", "a", 3);
	assert_label("\\\nlabel = a", "a", 1);
	assert_errors("label = a \\", F ":1: ends in a backslash, and nothing follows");
	assert_errors("label = a \\\n", F ":1: ends in a backslash, and nothing follows");
	assert_errors("\nlabel = a \\\n# b\n", F ":2: ends in a backslash, and nothing follows");
}

static void line_ends_of_elsewhere(void **state) {
	struct conf c;

	assert_label("# x\r\n\r\nlabel = a\r\n", "a", 3);
	assert_label("label = a\\\r\n  b\r\n", "ab", 1);
	assert_label("\xef\xbb\xbflabel = a", "a", 1);
	assert_label("\xef\xbb\xbf\r\nlabel = a", "a", 2);
	assert_label("\xef\xbb\xbf# x\nlabel = a", "a", 2);
	/* Only in front. */
	assert_errors("#\n\xef\xbb\xbflabel = a", F ":2: unknown option '?label'");
	/* Only carriage returns: all of it is one line. */
	assert_errors("label = a\rargv0 = b",
		      F ":1: label: 'a?argv0 = b' has control characters or is no UTF-8");
	assert_int_equal(read_text(&c, "argv0 = a\rb\r"), 0);
	assert_string_equal(c.argv0, "a\rb");
	conf_done(&c);
}

static void bytes_are_taken_as_argv_takes_them(void **state) {
	struct conf c;

	assert_int_equal(read_text(&c, "argv0 = \xff\x01\x1b[31m"), 0);
	assert_string_equal(c.argv0, "\xff\x01\x1b[31m");
	conf_done(&c);
	assert_errors("label = \xff", F ":1: label: '?' has control characters or is no UTF-8");
	assert_errors("\xffx\x1b = 1", F ":1: unknown option '?x?'");
	assert_errors("\x1b x = 1", F ":1: '? x' is not 'option = value'");
}

#define NO_TEXT "has a NUL byte: this is no text"

static void a_nul_is_one_error(void **state) {
	static const char utf16[] = "\xff\xfe"
				    "f\0a\0l\0l\0=\0x\0\n\0f\0";
	struct conf c;

	assert_int_equal(read_bytes(&c, utf16, sizeof(utf16) - 1), -EINVAL);
	assert_string_equal(error_text, F ":1: " NO_TEXT);
	assert_int_equal(c.given.n_items, 0);
	conf_done(&c);
	assert_int_equal(read_bytes(&c, "\0", 1), -EINVAL);
	assert_string_equal(error_text, F ":1: " NO_TEXT);
	conf_done(&c);
	assert_int_equal(read_bytes(&c, "foo\nfall = x\n#\0\n", 16), -EINVAL);
	assert_string_equal(error_text, F ":3: " NO_TEXT);
	conf_done(&c);
}

static void there_is_no_length_limit(void **state) {
	size_t length = 1 << 20;
	char *text = malloc(length + 1);
	struct conf c;

	memset(text, 'x', length);
	memcpy(text, "argv0 = ", 8);
	for (size_t i = 1000; i < length - 1; i += 1000)
		memcpy(text + i, "\\\n", 2);
	text[length] = '\0';
	assert_int_equal(read_text(&c, text), 0);
	assert_int_equal(strlen(c.argv0), length - 8 - 2 * ((length - 2) / 1000));
	assert_int_equal(strspn(c.argv0, "x"), strlen(c.argv0));
	conf_done(&c);
	free(text);
}

/* Options ---------------------------------------------------------------------------------- */

static void the_order_rules_are_argvs(void **state) {
	struct conf c;

	assert_int_equal(read_text(&c, "fall = 7\n"
				       "silence = 8s\n"
				       "kill-timeout = 3\n"
				       "http = http://a\n"
				       "  http-header = A: 1\n"
				       "  http-header = B: 2\n"
				       "http = http://b\n"
				       "  fall = 2\n"
				       "  name = second\n"
				       "heartbeat\n"
				       "kill-timeout = 4\n"
				       "heartbeat = 5\n"
				       "  silence = 1min 30s\n"),
			 0);
	assert_int_equal(c.n_probes, 4);
	assert_string_equal(c.probes[0]->target, "http://a");
	assert_int_equal(c.probes[0]->fall, 7);
	assert_string_equal(http_settings(&c, 0)->headers, "A: 1;B: 2;");
	assert_int_equal(c.probes[0]->origin.line, 4);
	assert_int_equal(c.probes[1]->fall, 2);
	assert_string_equal(c.probes[1]->name, "second");
	assert_null(http_settings(&c, 1)->headers);
	assert_null(c.probes[2]->target);
	assert_int_equal(c.probes[2]->silence_usec, 8 * USEC_PER_SEC);
	assert_string_equal(c.probes[3]->target, "5");
	assert_int_equal(c.probes[3]->silence_usec, 90 * USEC_PER_SEC);
	/* The last use counts, with its line. */
	assert_int_equal(c.kill_timeout_usec, 4 * USEC_PER_SEC);
	assert_int_equal(conf_find_given(&c.given, "kill-timeout")->origin.line, 11);
	conf_done(&c);
}

static void flags_stand_alone_or_say_yes_or_no(void **state) {
	struct conf c;

	assert_int_equal(read_text(&c, "setsid\nmlock = yes\nsignal-group = no\n"
				       "http = http://a\noptional\nhttp = http://b\n"
				       "optional = no\nforking = no\n"),
			 0);
	assert_true(c.setsid && c.mlock && !c.signal_group);
	assert_int_equal(c.n_probes, 2);
	assert_true(c.probes[0]->is_optional && !c.probes[1]->is_optional);
	conf_done(&c);
	assert_errors("setsid =", F ":1: setsid: '' is not yes or no");
	assert_errors("setsid = maybe", F ":1: setsid: 'maybe' is not yes or no");
}

static void argv_comes_on_top(void **state) {
	struct text error = TEXT_OVER(error_text);
	struct conf c;
	usec_t w;

	assert_int_equal(read_text(&c, "label = file\nsetsid\nrise = 2\nhttp = http://a\nfall = 9\n"
				       "command = one two"),
			 0);
	assert_int_equal(from_argv(&c, (const char *const[]){"--label=argv", "--setsid=no",
							     "--rise=4", "--fall=5", "--http",
							     "http://b", "three", NULL}),
			 0);
	assert_int_equal(conf_resolve(&c, &alone, &w, &error), 0);
	assert_string_equal(c.label, "argv");
	assert_false(c.setsid);
	assert_int_equal(c.probes[0]->rise, 4);
	assert_int_equal(c.probes[0]->fall, 9);
	assert_int_equal(c.probes[1]->fall, 5);
	assert_string_equal(c.command[0], "three");
	assert_null(c.command[1]);
	assert_int_equal(c.command_origin.kind, ORIGIN_ARGV);
	conf_done(&c);
}

/* The command ------------------------------------------------------------------------------ */

static void the_command_has_a_shells_quotes_and_no_shell(void **state) {
	static const char *const words[] = {"/bin/a", "b c", "$HOME `d` \"", "e\\f",
					    "|",      ">g",  "*.h?",         "",
					    "i",      "x=y"};
	struct conf c;

	assert_int_equal(read_text(&c, "command = /bin/a 'b c' \"\\$HOME `d` \\\"\" e\\\\f | \\\n"
				       "  >g *.h? '' \\\n"
				       "# '\n"
				       "\t\ti x=y \n"),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_string_equal(c.command[i], words[i]);
	assert_null(c.command[ARRAY_SIZE(words)]);
	assert_int_equal(c.command_origin.kind, ORIGIN_FILE);
	assert_int_equal(c.command_origin.line, 1);
	conf_done(&c);
	/* Anywhere, and the last one counts. */
	assert_int_equal(read_text(&c, "command = a\nhttp = http://a\ncommand = b\nfall = 2"), 0);
	assert_string_equal(c.command[0], "b");
	assert_int_equal(c.command_origin.line, 3);
	assert_int_equal(c.probes[0]->fall, 2);
	conf_done(&c);
}

#define UNFINISHED " has a quote that is not closed, or ends in a backslash"

static void a_wrong_command_is_refused(void **state) {
	assert_errors("command", F ":1: command: needs a value");
	assert_errors("command =", F ":1: command: '' names no command");
	assert_errors("command = ''", F ":1: command: '''' names no command");
	assert_errors("command = '' a", F ":1: command: ''' a' names no command");
	assert_errors("command = a 'b", F ":1: command: 'a 'b'" UNFINISHED);
	assert_errors("command = a \"b", F ":1: command: 'a \"b'" UNFINISHED);
	/* Two at the end do not go on: the word ends in one. */
	assert_errors("command = a 'b\\\\", F ":1: command: 'a 'b\\\\'" UNFINISHED);
	assert_errors("comand = a", F ":1: unknown option 'comand'; did you mean 'command'?");
	assert_errors("cmd = a", F ":1: cmd: not an option here; use --exec for a check; the "
				   "program to run comes after "
				   "all options, or as 'command' in a file");
}

/* Errors ----------------------------------------------------------------------------------- */

static void one_line_each(void **state) {
	assert_errors("fall = 0", F ":1: fall: '0' is out of range (1-1000)");
	assert_errors("http = http://a\nfall =", F ":2: fall: '' is not a number");
	assert_errors("http", F ":1: http: needs a value");
	assert_errors("http =", F ":1: http: '' is empty");
	assert_errors("label", F ":1: label: needs a value");
	assert_errors("= 3", F ":1: no option before '='");
	assert_errors("  =", F ":1: no option before '='");
	assert_errors("fall 3", F ":1: 'fall 3' is not 'option = value'");
	assert_errors("http http://a/?b=c", F ":1: 'http http://a/?b' is not 'option = value'");
	assert_errors("--fall = 3", F ":1: unknown option '--fall'; did you mean 'fall'?");
	assert_errors("fal = 3", F ":1: unknown option 'fal'; did you mean 'fall'?");
	assert_errors("[Service]", F ":1: unknown option '[Service]'");
	assert_errors("retries = 3", F ":1: retries: not an option here; use --fall");
	assert_errors("\nconfig = x", F ":2: config: only on the command line");
	assert_errors("help", F ":1: help: only on the command line");
	assert_errors("name = x", F ":1: name: 'x': belongs after the probe that it is for");
	assert_errors("heartbeat\nfall = 3", F ":2: fall: '3': not an option of --heartbeat");
}

static void all_of_them_at_once(void **state) {
	struct text more = {.data = error_text, .size = sizeof(error_text)};
	struct conf c;
	usec_t w;

	assert_errors("fall = 0\nlabel = a\nfoo = 1\n# x\n=\n\nrtprio = \\\n 100\nnice = -30\n", F
		      ":1: fall: '0' is out of range (1-1000)\n" F ":3: unknown option 'foo'\n" F
		      ":5: no option before '='\n" F ":7: rtprio: '100' is out of range (1-99)\n" F
		      ":9: nice: '-30' is out of range (-20 to 19)");

	/* And what only the whole can tell, of the file and of argv. */
	assert_int_equal(read_text(&c, "http = x\nforking\npidfile = /p\nnice = x\ncommand = true"),
			 -EINVAL);
	error_text[0] = '\0';
	assert_int_equal(from_argv(&c, (const char *const[]){"--http=y", NULL}), 0);
	assert_int_equal(conf_resolve(&c, &alone, &w, &more), -EINVAL);
	assert_string_equal(error_text, F ":1: http: 'x' is not a URL\n"
					  "--http: 'y' is not a URL\n" F
					  ":3: pidfile: '/p' cannot be combined with --forking");
	conf_done(&c);
}

static void what_only_follows_from_an_error_is_not_told(void **state) {
	static const char *const texts[] = {
		/* A line that may have been a probe: what its options belong to is not known. */
		"htp = http://a\nname = x\nhttp-body = y\nfall = 2\nrequire = 1\n",
		"heartbeat\nhtp = http://a\nfall = 2\nhttp-status = 204\n",
		"heartbeat\nhttp http://a\nfall = 2\n",
		"heartbeat\n= http://a\nfall = 2\n",
		"heartbeat\nhttp =\nfall = 2\n",
		/* The command that is missing, the default that nobody knows. */
		"command = '\n",
		"fall = 2\nexc = /bin/true\n",
	};
	struct text errors = {.data = error_text, .size = sizeof(error_text)};
	struct conf c;
	usec_t w;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(read_text(&c, texts[i]), -EINVAL);
		assert_null(strchr(error_text, '\n'));
		error_text[0] = '\0';
		assert_int_equal(conf_resolve(&c, &alone, &w, &errors), -EINVAL);
		assert_string_equal(error_text, "");
		conf_done(&c);
	}
	/* The command line is another matter. */
	assert_int_equal(read_text(&c, "htp = a\n"), -EINVAL);
	assert_int_equal(from_argv(&c, (const char *const[]){"--name=x", NULL}), -EINVAL);
	assert_string_equal(error_text, "--name: 'x': belongs after the probe that it is for");
	conf_done(&c);
	/* But a wrong value is; and the next probe is known again. */
	assert_errors("htp = a\nfall = 0\nhttp = http://a\nsilence = 3\n",
		      F ":1: unknown option 'htp'; did you mean 'http'?\n" F
			":2: fall: '0' is out of range (1-1000)\n" F
			":4: silence: '3': not an option of --http");
	assert_errors("heartbeat\nnice = x\nfall = 3\n",
		      F ":2: nice: 'x' is not a number\n" F
			":3: fall: '3': not an option of --heartbeat");
}

static void more_errors_than_there_is_room_for(void **state) {
	struct text errors = {.data = error_text, .size = 100};
	char name[] = "/etc/\x1b[31m\n.conf", text[200];
	struct conf c;

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "=\n", 2);
	error_text[0] = '\0';
	conf_init(&c);
	assert_int_equal(conf_file_parse(&c, name, text, sizeof(text), fake_kinds, &errors),
			 -EINVAL);
	assert_true(errors.is_cut && errors.length < 100);
	/* Nothing of its name is obeyed by a terminal. */
	assert_ptr_equal(strstr(error_text, "/etc/?[31m?.conf:1: no option before '='\n"),
			 error_text);
	conf_done(&c);
}

/* --config --------------------------------------------------------------------------------- */

static const struct find_case {
	const char *words[8];
	const char *path;
} find_cases[] = {
	{{NULL}, NULL},
	{{"true"}, NULL},
	{{"--config=/a"}, "/a"},
	{{"--config", "/a"}, "/a"},
	{{"--setsid", "--fall=3", "--config=/a", "true"}, "/a"},
	{{"--fall", "3", "--label", "x", "--config", "/a"}, "/a"},
	{{"--heartbeat", "--config=/a", "--", "x"}, "/a"},
	{{"--config=a=b"}, "a=b"},
	/* a value, or one of the command's own words */
	{{"--label", "--config=/a"}, NULL},
	{{"true", "--config=/a"}, NULL},
	{{"--", "--config=/a"}, NULL},
	{{"-", "--config=/a"}, NULL},
	{{"--heartbeat", "5", "--config=/a"}, NULL},
	/* what args_parse() will complain of */
	{{"--config=/a", "--config=/b"}, "/a"},
	{{"--config="}, NULL},
	{{"--config"}, NULL},
	{{"--config", "--", "x"}, NULL},
	{{"--foo", "--config=/a"}, "/a"},
	{{"-x", "--config=/a"}, NULL},
	{{"--configs=/a"}, NULL},
	/* printed instead */
	{{"--help", "--config=/a"}, NULL},
	{{"--config=/a", "--help"}, NULL},
	{{"--config=/a", "-V"}, NULL},
	{{"--config=/a", "--dump-options", "x"}, NULL},
	{{"--config=/a", "--", "--help"}, "/a"},
	{{"--config=/a", "ls", "--help"}, "/a"},
	{{"--config=/a", "--label", "--help"}, "/a"},
	{{"--check", "--config=/a"}, "/a"},
};

static void it_is_found_wherever_it_stands(void **state) {
	for (size_t i = 0; i < ARRAY_SIZE(find_cases); i++) {
		const struct find_case *t = &find_cases[i];
		const char *argv[10] = {"sdwd"}, *path = "unset";
		size_t n = count_words(t->words);

		memcpy(argv + 1, t->words, n * sizeof(*argv));
		assert_int_equal(args_find_config((int)n + 1, (char **)argv, fake_kinds, &path), 0);
		if (t->path)
			assert_string_equal(path, t->path);
		else
			assert_null(path);
	}
}

static void one_file_only(void **state) {
	struct conf c;

	assert_int_equal(PARSE(&c, "--config=/a", "--config", "/b", "x"), -EINVAL);
	assert_string_equal(error_text, "--config: '/b' can be given only once");
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--config=", "x"), -EINVAL);
	assert_string_equal(error_text, "--config: '' is empty");
	conf_done(&c);
	assert_int_equal(PARSE(&c, "--config"), -EINVAL);
	assert_string_equal(error_text, "--config: needs a value");
	conf_done(&c);
	assert_int_equal(PARSE(&c, "-f", "x"), -EINVAL);
	assert_string_equal(error_text, "-f: not an option here; use --config");
	conf_done(&c);
}

/* Memory ----------------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

/* The how many-th allocation fails; 0: none. */
static size_t until_failure;

static bool fails(void) {
	return until_failure > 0 && --until_failure == 0;
}

void *__wrap_malloc(size_t size) {
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text) {
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length) {
	return fails() ? NULL : __real_strndup(text, length);
}

static void every_allocation_may_fail(void **state) {
	static const char text[] = "fall = 2\nlabel = a\nlabel = b\nunhealthy-hook = a 'b c'\n"
				   "stop-signal = TERM,INT\nhttp = http://a\nhttp-header = A: 1\n"
				   "http-body = x\nname = y\nheartbeat\ncommand = a 'b'\n"
				   "command = c d\n";
	static const char *const argv[] = {"sdwd", "--label", "c", "--config=/x", "x", "y", NULL};
	bool is_over = false;

	for (size_t n = 1; !is_over; n++) {
		struct text errors = TEXT_OVER(error_text);
		const char *path = NULL;
		struct conf c;
		int r;

		conf_init(&c);
		until_failure = n;
		r = conf_file_parse(&c, F, text, sizeof(text) - 1, fake_kinds, &errors);
		if (r == 0)
			r = args_find_config(6, (char **)argv, fake_kinds, &path);
		if (r == 0)
			r = args_parse(&c, 6, (char **)argv, fake_kinds, &errors);
		is_over = until_failure > 0;
		until_failure = 0;
		assert_int_equal(r, is_over ? 0 : -ENOMEM);
		conf_done(&c);
		assert_true(n < 1000 && (n > 20 || !is_over));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_around_do_not_belong_to_it),
		cmocka_unit_test(empty_lines_and_comments_say_nothing),
		cmocka_unit_test(a_backslash_goes_on),
		cmocka_unit_test(line_ends_of_elsewhere),
		cmocka_unit_test(bytes_are_taken_as_argv_takes_them),
		cmocka_unit_test(a_nul_is_one_error),
		cmocka_unit_test(there_is_no_length_limit),
		cmocka_unit_test(the_order_rules_are_argvs),
		cmocka_unit_test(flags_stand_alone_or_say_yes_or_no),
		cmocka_unit_test(argv_comes_on_top),
		cmocka_unit_test(the_command_has_a_shells_quotes_and_no_shell),
		cmocka_unit_test(a_wrong_command_is_refused),
		cmocka_unit_test(one_line_each),
		cmocka_unit_test(all_of_them_at_once),
		cmocka_unit_test(what_only_follows_from_an_error_is_not_told),
		cmocka_unit_test(more_errors_than_there_is_room_for),
		cmocka_unit_test(it_is_found_wherever_it_stands),
		cmocka_unit_test(one_file_only),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
