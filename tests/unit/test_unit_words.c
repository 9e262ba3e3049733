/* SPDX-License-Identifier: MIT */
#include "unit_words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void words_are_read_as_systemd_reads_them(void **state) {
	static const struct {
		const char *text;
		const char *words[6];
	} cases[] = {
		{"", {NULL}},
		{" \t ", {NULL}},
		{" a \t b ", {"a", "b"}},
		{"'a b' \"c d\"", {"a b", "c d"}},
		{"--x=\"a b\"'c d'e", {"--x=a bc de"}},
		{"'' \"\" x", {"", "", "x"}},
		{"a\\x20b \\101\\102 \\u00e4 \\s", {"a b", "AB", "\xc3\xa4", " "}},
		{"\"\\\"\\\\\\n\" '\\''", {"\"\\\n", "'"}},
		{"$HOME ${A}b %% %i", {"$HOME", "${A}b", "%%", "%i"}},
		{"\\q \\x4 \\400", {"\\q", "\\x4", "\\400"}},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		const char *rest = cases[n].text;
		char *word;

		for (size_t i = 0; cases[n].words[i]; i++) {
			assert_int_equal(unit_word_next(&rest, &word), 1);
			assert_string_equal(word, cases[n].words[i]);
			free(word);
		}
		assert_int_equal(unit_word_next(&rest, &word), 0);
	}
}

static void what_is_unfinished_is_refused(void **state) {
	static const char *const cases[] = {"\"a", "'a", "a\\", "x 'a\" b", "\"a\\\""};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		const char *rest = cases[n];
		char *word;
		int r;

		while ((r = unit_word_next(&rest, &word)) > 0)
			free(word);
		assert_int_equal(r, -EINVAL);
	}
}

static void a_word_is_quoted_only_where_it_must_be(void **state) {
	static const struct {
		const char *word, *text;
		unsigned hidden;
	} cases[] = {
		{"--http=http://127.0.0.1/", "--http=http://127.0.0.1/", 3},
		{"--expect=100%", "--expect=100%%", 3},
		{"--expect=100%", "--expect=100%", 0},
		{"--expect=^a$", "--expect=^a$$", 3},
		{"--expect=^a$", "--expect=^a$", UNIT_WORD_PERCENT},
		{"", "\"\"", 3},
		{";", "\";\"", 3},
		{"a;b", "a;b", 3},
		{"a b", "\"a b\"", 3},
		{"\\r\"x", "\"\\\\r\\\"x\"", 3},
		{"a\nb\tc", "\"a\\nb\\x09c\"", 3},
		{"\xc3\xa4", "\xc3\xa4", 3},
		{"\xff", "\"\\xff\"", 3},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		char buffer[128];
		struct text t = TEXT_OVER(buffer);

		unit_word_add(&t, cases[n].word, cases[n].hidden);
		assert_string_equal(buffer, cases[n].text);
	}
}

/* Every byte there is, quoted and read again, is the same byte. */
static void what_is_quoted_reads_as_it_was(void **state) {
	for (unsigned a = 1; a < 256; a++)
		for (unsigned b = 1; b < 256; b++) {
			char word[] = {(char)a, (char)b, '\0'}, buffer[64], *again;
			struct text t = TEXT_OVER(buffer);
			const char *rest = buffer;

			unit_word_add(&t, word, 0);
			assert_int_equal(unit_word_next(&rest, &again), 1);
			assert_string_equal(again, word);
			assert_string_equal(rest, "");
			assert_true(text_is_utf8(buffer, t.length));
			free(again);
		}
}

static void yes_has_six_words(void **state) {
	assert_true(unit_is_yes("yes") && unit_is_yes("TRUE") && unit_is_yes("1") &&
		    unit_is_yes("on") && unit_is_yes("y") && unit_is_yes("t"));
	assert_false(unit_is_yes("no") || unit_is_yes("") || unit_is_yes("strict") ||
		     unit_is_yes("yes "));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read_as_systemd_reads_them),
		cmocka_unit_test(what_is_unfinished_is_refused),
		cmocka_unit_test(a_word_is_quoted_only_where_it_must_be),
		cmocka_unit_test(what_is_quoted_reads_as_it_was),
		cmocka_unit_test(yes_has_six_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
