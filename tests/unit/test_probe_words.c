/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/match.h"
#include "conf/probe_conf.h"
#include "conf/probe_words.h"
#include "probe/http_settings.h"
#include "probe/probe.h"

/* A probe with real kinds: what it says as words, and what becomes of them. */

static const struct probe_kind *kinds[32];

static int setup(void **state) {
	for (size_t i = 0; probe_registry[i]; i++)
		kinds[i] = probe_registry[i]->kind;
	return 0;
}

/* Sets "name", "value" pairs (value "": none), NULL at the end, and resolves. */
static void make(struct conf *c, const char *const *options) {
	static const struct origin argv_origin = {.kind = ORIGIN_ARGV};
	static char name[] = "true", *const command[] = {name, NULL};
	const struct conf_env env = {0};
	char reason[4096];
	struct text error = TEXT_OVER(reason);
	usec_t w;

	conf_init(c);
	for (size_t i = 0; options[i]; i += 2) {
		const char *value = options[i + 1][0] != '\0' ? options[i + 1] : NULL;

		if (conf_set(c, options[i], value, &argv_origin, kinds, &error) < 0)
			fail_msg("%s", reason);
	}
	assert_int_equal(conf_set_command(c, command, &argv_origin), 0);
	if (conf_resolve(c, &env, &w, &error) < 0)
		fail_msg("%s", reason);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The words of the first probe, '|' behind each. */
static void check_words(const char *const *options, const char *wanted) {
	char buffer[8192];
	struct text words = TEXT_OVER(buffer);
	struct conf c;

	make(&c, options);
	assert_int_equal(probe_conf_write(c.probes[0], &words), 0);
	for (size_t i = 0; i < words.length; i++)
		if (buffer[i] == '\0')
			buffer[i] = '|';
	assert_string_equal(buffer, wanted);
	conf_done(&c);
}

static void test_kind_target_timeout_and_own_options(void **state) {
	check_words(OPTIONS("http", "https://h/", "interval", "10s", "http-status", "200,404",
			    "http-insecure", ""),
		    "http|https://h/|timeout=5s|http-status=200,404|http-insecure|");
	check_words(OPTIONS("http-method", "HEAD", "http", "http://h/", "name", "x", "timeout",
			    "1min 500ms", "fall", "2", "optional", ""),
		    "http|http://h/|timeout=1min 500ms|http-method=HEAD|");
}

static void test_a_default_of_all_and_a_value_of_its_own(void **state) {
	check_words(OPTIONS("http-status", "200", "http-header", "A: 1", "http", "http://h/",
			    "http-status", "204", "http-header", "B: 2", "timeout", "1s"),
		    "http|http://h/|timeout=1s|http-status=204|http-header=A: 1|http-header=B: 2|");
}

static void test_headers_of_a_file_are_told_not_the_file(void **state) {
	static const char content[] = "Authorization: Bearer 1\r\nUser-Agent:\n";
	char path[] = "/tmp/sdwd-words-XXXXXX", option[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, content, sizeof(content) - 1), 0);
	fd_close(fd);
	snprintf(option, sizeof(option), "@%s", path);
	check_words(OPTIONS("http", "http://h/", "http-header", "A:b", "http-header", option,
			    "timeout", "1s"),
		    "http|http://h/|timeout=1s|http-header=A: b|"
		    "http-header=Authorization: Bearer 1|http-header=User-Agent: |");
	unlink(path);
}

static void test_relative_paths_are_made_absolute(void **state) {
	char folder[] = "/tmp/sdwd-words-XXXXXX", wanted[512];
	cleanup(fd_closep) int fd = -1;

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	fd = creat("ca.pem", 0600);
	assert_true(fd >= 0);
	snprintf(wanted, sizeof(wanted),
		 "http|https://h/|timeout=1s|http-unix=%s/sock|http-ca=%s/ca.pem|", folder, folder);
	check_words(OPTIONS("http", "https://h/", "http-unix", "sock", "http-ca", "ca.pem",
			    "timeout", "1s"),
		    wanted);
	check_words(OPTIONS("http", "https://h/", "http-unix", "@x", "timeout", "1s"),
		    "http|https://h/|timeout=1s|http-unix=@x|");
	snprintf(wanted, sizeof(wanted), "grpc|h/web|timeout=1s|grpc-unix=%s/sock|", folder);
	check_words(OPTIONS("grpc", "h/web", "grpc-unix", "sock", "timeout", "1s"), wanted);
	assert_int_equal(unlink("ca.pem"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void test_too_much(void **state) {
	char small[20], large[64];
	struct text words = TEXT_OVER(small);
	struct conf c;

	make(&c, OPTIONS("http", "http://h/", "timeout", "1s"));
	assert_int_equal(probe_conf_write(c.probes[0], &words), -EMSGSIZE);
	words = TEXT_OVER(large);
	assert_int_equal(probe_conf_write(c.probes[0], &words), 0);
	conf_done(&c);
}

static void test_the_same_probe_again(void **state) {
	struct probe_conf *p;
	const struct http_settings *s;
	char buffer[8192], reason[512];
	struct text words = TEXT_OVER(buffer), error = TEXT_OVER(reason);
	struct conf c;

	make(&c, OPTIONS("http", "https://h:8443/x?y", "http-status", "204", "http-header",
			 "A: =b=c", "http-body", "a=b|c d", "http-follow", "same-host",
			 "http-connect", "[::1]:1", "http-insecure", "", "timeout", "1500ms"));
	assert_int_equal(probe_conf_write(c.probes[0], &words), 0);
	if (probe_conf_read(buffer, words.length, kinds, &p, &error) < 0)
		fail_msg("%s", reason);
	s = p->settings;
	assert_string_equal(p->kind->name, "http");
	assert_string_equal(p->target, "https://h:8443/x?y");
	assert_int_equal(p->timeout_usec, 1500 * USEC_PER_MSEC);
	assert_true(s->url.is_tls && s->tls.is_insecure && s->follows);
	assert_true(http_status_is_good(s, 204) && !http_status_is_good(s, 200));
	assert_string_equal(http_headers_find(&s->headers, "a"), "=b=c");
	assert_string_equal(s->method, "GET");
	assert_int_equal(match_bytes(s->body, "c d", 3), 1);
	assert_string_equal(s->connect.host, "::1");
	probe_conf_free(p);
	conf_done(&c);
}

static void check_refused(const char *words, size_t length, const char *wanted) {
	struct probe_conf *p = NULL;
	char reason[512];
	struct text error = TEXT_OVER(reason);

	assert_true(probe_conf_read(words, length, kinds, &p, &error) < 0);
	assert_null(p);
	if (!strstr(reason, wanted))
		fail_msg("not '%s' but: %s", wanted, reason);
}

static void test_words_that_are_refused(void **state) {
	static const struct {
		const char *words;
		size_t length;
		const char *reason;
	} cases[] = {
#define WORDS(text) text, sizeof(text)
		{WORDS("ftp\0x"), "unknown kind of probe"},
		{WORDS("http\0"), "--http: needs a value"},
		{WORDS("http\0http://h/\0fall=x"), "--fall: 'x' is not a number"},
		{WORDS("http\0http://h/\0silence=1s"), "--silence: unknown option"},
		{WORDS("http\0http://h/\0http-status"), "--http-status: needs a value"},
		{WORDS("http\0http://h/\0http-status=x"), "--http-status: 'x' is no list"},
		{WORDS("http\0http://h/\0http-ca=/nonexistent"),
		 "--http-ca: '/nonexistent': No such"},
		{WORDS("http\0http://127.1/"), "the host '127.1' is neither"},
	};
	char name[200] = "http\0http://h/";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(cases[i].words, cases[i].length, cases[i].reason);
	memset(name + 15, 'x', sizeof(name) - 16);
	check_refused(name, sizeof(name), "an option's name is too long");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind_target_timeout_and_own_options),
		cmocka_unit_test(test_a_default_of_all_and_a_value_of_its_own),
		cmocka_unit_test(test_headers_of_a_file_are_told_not_the_file),
		cmocka_unit_test(test_relative_paths_are_made_absolute),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_the_same_probe_again),
		cmocka_unit_test(test_words_that_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
