/* SPDX-License-Identifier: MIT */
#include "base/pattern.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct pattern *compiled(const char *source) {
	const char *problem;
	struct pattern *p = NULL;
	int r = pattern_new(source, &p, &problem);

	if (r < 0)
		fail_msg("'%s': %s", source, strerror(-r));
	return p;
}

static void check(const char *source, const char *data, bool wanted) {
	struct pattern *p = compiled(source);

	if (pattern_find(p, data, strlen(data), false) != wanted)
		fail_msg("'%s' in '%s': not %d", source, data, wanted);
	pattern_free(p);
}

static void test_what_is_matched(void **state) {
	static const struct {
		const char *source, *in, *not_in; /* NULL: nothing */
	} cases[] = {
		{"abc", "xabcx", "xabx"},
		{"a|b||c", "", NULL},
		{"a|bc", "xbc", "xb c"},
		{"()a()", "a", "b"},
		{"a)", "a)", "a"},
		{"a)|b)", "b)", "b"},
		{"a.c", "abc", "a\nc"},
		{"ab*c", "ac", "abb"},
		{"ab+c", "abbbc", "ac"},
		{"ab?c", "ac", "abbc"},
		{"^ab{2}c", "abbc", "abbbc"},
		{"^ab{2,}c", "abbbbc", "abc"},
		{"^ab{,2}c", "ac", "abbbc"},
		{"^ab{1,3}c", "abbbc", "abbbbc"},
		{"^ab{,}c", "abbbbbc", "abxc"},
		{"^ab{0}c", "ac", "abc"},
		{"^(ab|c){3}$", "abcab", "abc"},
		{"^(a*)*$", "aaa", "aab"},
		{"^((a|b)*c){2}$", "abcc", "abc"},
		{"a**?+b", "aab", "a"},
		{"^b", "a\nb", "ab"},
		{"a$", "a\nb", "ab"},
		{"^$", "a\n\nb", "a\nb"},
		{"a$\nb", "a\nb", "ab"},
		{"(^|x)+y", "y", "zy"},
		{"(a$){2}", NULL, "aa"},
		{"[abc]", "xbx", "xdx"},
		{"[a-c]", "b", "d"},
		{"[^a-c]", "d", "a\nb"},
		{"[]a]", "]", "["},
		{"[^]a]", "b", "]a"},
		{"[a-]", "-", "b"},
		{"[-a]", "-", "b"},
		{"[--/]", ".", "0"},
		{"[\\n]", "\\", "x"},
		{"[[:digit:][:upper:]_]", "_", "a"},
		{"[^[:space:]]", "x", " \n\t"},
		{"[[.-.]-/]", ".", "0"},
		{"[[=]=]]", "]", "["},
		{"[[.].]]", "]", "["},
		{"\\w\\W", "a-", "aa"},
		{"a\\Wb", "a\nb", "axb"},
		{"\\s\\S", " x", "x "},
		{"\\ba", "x a", "xa"},
		{"a\\b", "a.", "ab"},
		{"a\\B", "ab", "a"},
		{"\\<a\\>", "x a y", "ab"},
		{"\\`a", "ab", "b\na"},
		{"a\\'", "ba", "a\n"},
		{"\\.\\*\\n\\\\", ".*n\\", "..n\\"},
		{"\xc3[\xa0-\xbf]", "\xc3\xa4", "\xc3\x84"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].in)
			check(cases[i].source, cases[i].in, true);
		if (cases[i].not_in)
			check(cases[i].source, cases[i].not_in, false);
	}
}

/* As regexec(3): '.' is not NUL, what a bracket expression excludes may be. */
static void test_nul_is_a_byte(void **state) {
	struct pattern *any = compiled("a.b"), *not_x = compiled("a[^x]b"), *end = compiled("b$");

	assert_false(pattern_find(any, "a\0b", 3, false));
	assert_true(pattern_find(not_x, "a\0b", 3, false));
	assert_true(pattern_find(end, "a\0b", 3, false));
	assert_false(pattern_find(end, "a\0b", 2, false));
	pattern_free(any);
	pattern_free(not_x);
	pattern_free(end);
}

static void test_the_end_of_what_may_go_on(void **state) {
	struct pattern *line = compiled("^2$"), *word = compiled("^2\\>"), *data = compiled("2\\'");

	assert_false(pattern_find(line, "2", 1, true));
	assert_true(pattern_find(line, "2", 1, false));
	assert_true(pattern_find(line, "2\n", 2, true));
	assert_true(pattern_find(word, "2", 1, true));
	assert_true(pattern_find(data, "2", 1, true));
	pattern_free(line);
	pattern_free(word);
	pattern_free(data);
}

static void test_what_is_no_pattern(void **state) {
	static const char *const bad[] = {
		"(",
		"(a",
		"a|*",
		"*",
		"+a",
		"^*",
		"a|{2}",
		"a{",
		"a{x}",
		"a{}",
		"a{2,1}",
		"a{1",
		"a{1,2x}",
		"a{32768}",
		"a{-1}",
		"[",
		"[a",
		"[]",
		"[^]",
		"[b-a]",
		"[a-b-c]",
		"[[:x:]]",
		"[[:alpha:]-z]",
		"[[=a=]-z]",
		"[[.ab.]]",
		"[[.a]",
		"\\",
		"(a)\\1",
	};
	struct pattern *p = NULL;
	const char *problem;
	regex_t re;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		problem = NULL;
		if (pattern_new(bad[i], &p, &problem) != -EINVAL || !problem)
			fail_msg("'%s' is one", bad[i]);
		/* Not to libc either; back-references are its own. */
		if (bad[i][0] != '\\' && strcmp(bad[i], "(a)\\1") != 0)
			assert_int_not_equal(regcomp(&re, bad[i],
						     REG_EXTENDED | REG_NEWLINE | REG_NOSUB),
					     0);
	}
	assert_null(p);
	pattern_free(NULL);
}

static void fill(char *buffer, size_t size, const char *piece) {
	size_t n = strlen(piece);

	for (size_t i = 0; i < size - 1; i++)
		buffer[i] = piece[i % n];
	buffer[size - 1] = '\0';
}

/* All of it can be said in a line of a file, and none of it takes long or much memory. */
static void test_what_is_too_large(void **state) {
	static const char *const large[] = {
		"a{501}",
		".{100,600}",
		"(a{20}){30}",
		"(((((a{9}){9}){9}){9}){9}){9}",
		"((((((((a?){99}){99}){99}){99}){99}){99}){99}){99}",
		"(a|b{32767}){32767}",
	};
	static const char *const pieces[] = {"a", "(", "(a", "[ab]", "a|", "(a{1}", "a{2}", ".*"};
	static char source[100000];
	struct pattern *p = NULL;
	const char *problem;

	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		if (pattern_new(large[i], &p, &problem) != -E2BIG)
			fail_msg("'%s' is not", large[i]);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		fill(source, sizeof(source), pieces[i]);
		assert_int_equal(pattern_new(source, &p, &problem), -E2BIG);
	}
	memset(source + 1, '*', sizeof(source) - 2);
	source[0] = 'a';
	assert_int_equal(pattern_new(source, &p, &problem), -E2BIG);
	/* No steps, but as deep. */
	fill(source + 1, 501 * strlen("{1}") + 1, "{1}");
	assert_int_equal(pattern_new(source, &p, &problem), -E2BIG);
	assert_null(p);
}

static void test_what_is_not(void **state) {
	static char source[400];

	check("a{499}", "aaa", false);
	check("((((){32767}){32767}){32767}){32767}x", "x", true);
	check("a{1}{1}{1}{1}{1}{1}{1}{1}{1}{1}", "a", true);
	fill(source, sizeof(source), "literal");
	check(source, source, true);
}

/* Times of 10 KiB, which took regexec(3) of glibc a quarter of a second to half a minute. */
static void test_no_data_takes_long(void **state) {
	static const char *const sources[] = {
		"a.*c",    "(a|b)*c",           "[ab]+[0-9]+x",         "(a|b)*a(a|b){12}c",
		"(.*)*c",  "(a|b)*a(a|b){30}c", "((a|b)*a.{20}c)",      "(.*.*.*.*.*){9}c",
		".{490}c", "(.?){240}c",        "((a?){9}(b?){9}){9}c",
	};
	static char data[10 * 1024];
	uint32_t random = 1;
	clock_t began = clock();

	for (size_t i = 0; i < sizeof(data); i++) {
		random = random * 1103515245 + 12345;
		data[i] = random >> 16 & 1 ? 'a' : 'b';
	}
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct pattern *p = compiled(sources[i]);

		assert_false(pattern_find(p, data, sizeof(data), true));
		pattern_free(p);
	}
	/* About 0.1 s; valgrind takes fifty times as long. */
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 15);
}

/* Random patterns ----------------------------------------------------------------------------- */

static uint32_t seed = 20;

static uint32_t below(uint32_t n) {
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void add(char *source, const char *more) {
	if (strlen(source) + strlen(more) < 200)
		strcat(source, more);
}

#define ADD_ONE_OF(source, ...) \
	do { \
		static const char *const words[] = {__VA_ARGS__}; \
		add(source, words[below(ARRAY_SIZE(words))]); \
	} while (0)

/* glibc cannot repeat a place: see fuzz_pattern.c. */
static void add_branch(char *source, unsigned depth, bool has_places) {
	for (uint32_t n = 1 + below(3); n > 0; n--) {
		switch (below(depth > 0 ? 6 : 4)) {
		case 0:
			ADD_ONE_OF(source, "a", "b", "x", "_", " ", "\n", ".", "\\w", "\\W", "\\s",
				   "\\S", "\\.");
			break;
		case 1:
			ADD_ONE_OF(source, "[ab]", "[^a]", "[[:alpha:]]", "[^[:space:]x]", "[a-x]",
				   "[]b]", "[^]b]", "[\n_]", "[a-]", "[[.-.]a]", "[[=a=]]");
			break;
		case 2:
			if (has_places) {
				ADD_ONE_OF(source, "^", "$", "\\b", "\\B", "\\<", "\\>", "\\`",
					   "\\'");
				continue;
			}
			add(source, "a");
			break;
		case 3:
			add(source, "b");
			break;
		default:
			add(source, "(");
			add_branch(source, depth - 1, has_places);
			while (below(3) == 0) {
				add(source, "|");
				if (below(4) > 0)
					add_branch(source, depth - 1, has_places);
			}
			add(source, ")");
		}
		if (has_places)
			ADD_ONE_OF(source, "", "", "*", "?");
		else
			ADD_ONE_OF(source, "", "", "*", "+", "?", "{2}", "{1,3}", "{,2}", "{0}",
				   "{2,}");
	}
}

/* For regcomp(3), which may take for ever. */
static bool is_dear(const char *source) {
	size_t n_groups = 0, n_intervals = 0;

	for (const char *p = source; *p != '\0'; p++) {
		n_groups += *p == '(';
		n_intervals += *p == '{' || *p == '+';
	}
	return n_intervals > 2 || n_groups > 2;
}

static void compare(const char *source, struct pattern *p, regex_t *re) {
	static const char bytes[] = {'a', 'a', 'b', 'b', 'x', '_', ' ', '\n', '\0', '-', '.'};
	char data[16];

	for (unsigned i = 0; i < 8; i++) {
		size_t length = below(sizeof(data));
		bool may_go_on = i % 2 == 1;
		regmatch_t where = {.rm_so = 0, .rm_eo = (regoff_t)length};
		int r;

		for (size_t k = 0; k < length; k++)
			data[k] = bytes[below(ARRAY_SIZE(bytes))];
		data[length] = '\0';
		r = regexec(re, data, 1, &where, REG_STARTEND | (may_go_on ? REG_NOTEOL : 0));
		if (pattern_find(p, data, length, may_go_on) != (r == 0))
			fail_msg("'%s' in %zu bytes of '%s': libc says %d", source, length, data,
				 r == 0);
	}
}

static void test_random_patterns_match_as_with_libc(void **state) {
	char source[256];
	size_t n = 0;
	regex_t re;

	while (n < 3000) {
		struct pattern *p;
		const char *problem;

		source[0] = '\0';
		add_branch(source, 3, n % 2 == 0);
		if (source[0] == '\0' || is_dear(source) || pattern_new(source, &p, &problem) < 0)
			continue;
		if (regcomp(&re, source, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0)
			fail_msg("'%s' is none with libc", source);
		compare(source, p, &re);
		regfree(&re);
		pattern_free(p);
		n++;
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_matched),
		cmocka_unit_test(test_nul_is_a_byte),
		cmocka_unit_test(test_the_end_of_what_may_go_on),
		cmocka_unit_test(test_what_is_no_pattern),
		cmocka_unit_test(test_what_is_too_large),
		cmocka_unit_test(test_what_is_not),
		cmocka_unit_test(test_no_data_takes_long),
		cmocka_unit_test(test_random_patterns_match_as_with_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
