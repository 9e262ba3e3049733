/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void quotes_are_a_shells(void **state) {
	static const struct {
		const char *text;
		const char *words[6];
	} cases[] = {
		{"", {NULL}},
		{" \t ", {NULL}},
		{"  a \t b  ", {"a", "b"}},
		{"''", {""}},
		{"a '' \"\" b", {"a", "", "", "b"}},
		{"'a b'\"c d\"e\\ f g", {"a bc de f", "g"}},
		{"'a\\' \"\\a\\\"\\\\\\$\\`\" \\'\\\"\\\\", {"a\\", "\\a\"\\$`", "'\"\\"}},
		{"'\"' \"'\"", {"\"", "'"}},
		{"\xff\x01 \xc3\xa4", {"\xff\x01", "\xc3\xa4"}},
		{"a\nb", {"a\nb"}},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		char **words;
		size_t i = 0;

		assert_int_equal(words_split(cases[n].text, &words, NULL), 0);
		for (; cases[n].words[i]; i++) {
			assert_non_null(words[i]);
			assert_string_equal(words[i], cases[n].words[i]);
		}
		assert_null(words[i]);
		words_free(words);
	}
}

static void what_only_a_shell_would_do_is_told_and_not_done(void **state) {
	static const char special[] = "|&;<>()$`*?[#~=%!{}\n";
	char **words;
	bool needs_shell;

	for (const char *p = special; *p != '\0'; p++) {
		char bare[] = {'a', *p, 'b', '\0'}, single[] = {'\'', *p, '\'', '\0'};
		char escaped[] = {'\\', *p, '\0'}, quoted[] = {'"', *p, '"', '\0'};

		assert_int_equal(words_split(bare, &words, &needs_shell), 0);
		assert_true(needs_shell);
		assert_string_equal(words[0], bare);
		words_free(words);
		assert_int_equal(words_split(single, &words, &needs_shell), 0);
		assert_false(needs_shell);
		words_free(words);
		assert_int_equal(words_split(escaped, &words, &needs_shell), 0);
		assert_int_equal(needs_shell, *p == '\n');
		words_free(words);
		assert_int_equal(words_split(quoted, &words, &needs_shell), 0);
		assert_int_equal(needs_shell, *p == '$' || *p == '`');
		words_free(words);
	}
}

static void what_is_unfinished_is_refused(void **state) {
	static const char *const texts[] = {"'", "\"", "a 'b", "a \"b\\\"", "\\", "a \\", "\"\\"};
	char **words = NULL;

	for (size_t n = 0; n < ARRAY_SIZE(texts); n++)
		assert_int_equal(words_split(texts[n], &words, NULL), -EINVAL);
	assert_null(words);
	words_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_are_a_shells),
		cmocka_unit_test(what_only_a_shell_would_do_is_told_and_not_done),
		cmocka_unit_test(what_is_unfinished_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
