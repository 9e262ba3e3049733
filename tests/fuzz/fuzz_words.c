/* SPDX-License-Identifier: MIT */
/*
 * A command as a user writes it. Where no shell is needed its words are those that wordexp(3)
 * makes; and words in quotes are the same words again.
 */
#include <errno.h>
#include <wordexp.h>

#include "base/words.h"

#include "fuzz.h"

static void check_same(char **ours, char **others, size_t n_others) {
	size_t n = 0;

	for (; ours[n]; n++)
		must(n < n_others && strcmp(ours[n], others[n]) == 0);
	must(n == n_others);
}

/* Each word in '...', with blanks and tabs between. */
static char *quote(char **words, size_t length) {
	/* No byte takes more than four, and each word five more. */
	char *text = malloc(9 * length + 16), *to = text;

	must(text);
	for (; *words; words++) {
		to += sprintf(to, "\t '");
		for (const char *p = *words; *p != '\0'; p++)
			if (*p == '\'')
				to += sprintf(to, "'\\''");
			else
				*to++ = *p;
		*to++ = '\'';
	}
	*to = '\0';
	return text;
}

static void check_quoted(char **words, size_t length) {
	char *text = quote(words, length), **again;
	bool needs_shell;
	size_t n = 0;

	while (words[n])
		n++;
	must(words_split(text, &again, &needs_shell) == 0 && !needs_shell);
	check_same(again, words, n);
	words_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text = fuzz_text(data, size), **words;
	bool needs_shell = false;
	int r = words_split(text, &words, &needs_shell);

	must(r == 0 || r == -EINVAL);
	if (r == 0) {
		check_quoted(words, strlen(text));
		/* To glibc a word that begins with an empty quote is two. */
		if (!needs_shell && !strstr(text, "''") && !strstr(text, "\"\"")) {
			wordexp_t w;

			must(wordexp(text, &w, WRDE_NOCMD | WRDE_UNDEF) == 0);
			check_same(words, w.we_wordv, w.we_wordc);
			wordfree(&w);
		}
		words_free(words);
	}
	free(text);
	return 0;
}
