/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The quoting is that of POSIX.1, Shell Command Language, 2.2. */

#define SHELL_WORDS "|&;<>()$`*?[#~=%!{}\n"
#define SHELL_IN_QUOTES "$`"

/* What is known about a text after it was read once. */
struct split {
	char *buffer; /* the words, each with its NUL, at most as long as the text */
	char *end;
	size_t n_words;
	bool is_in_word;
	bool needs_shell;
};

static void add_byte(struct split *s, char byte) {
	s->is_in_word = true;
	*s->end++ = byte;
}

static void end_word(struct split *s) {
	if (!s->is_in_word)
		return;
	*s->end++ = '\0';
	s->n_words++;
	s->is_in_word = false;
}

/* @p is behind the opening quote. Returns what is behind the closing one, or NULL. */
static const char *split_single(struct split *s, const char *p) {
	s->is_in_word = true;
	for (; *p != '\''; p++) {
		if (*p == '\0')
			return NULL;
		add_byte(s, *p);
	}
	return p + 1;
}

/* In double quotes a backslash only quotes $ ` " and itself (2.2.3). */
static const char *split_double(struct split *s, const char *p) {
	s->is_in_word = true;
	for (; *p != '"'; p++) {
		if (*p == '\\' && p[1] != '\0' && strchr("$`\"\\", p[1]))
			p++;
		else if (*p == '\\' && p[1] == '\n')
			s->needs_shell = true;
		else if (*p != '\0' && strchr(SHELL_IN_QUOTES, *p))
			s->needs_shell = true;
		if (*p == '\0')
			return NULL;
		add_byte(s, *p);
	}
	return p + 1;
}

static int split(struct split *s, const char *p) {
	while (*p != '\0') {
		if (*p == ' ' || *p == '\t') {
			end_word(s);
			p++;
		} else if (*p == '\'') {
			p = split_single(s, p + 1);
		} else if (*p == '"') {
			p = split_double(s, p + 1);
		} else if (*p == '\\') {
			if (p[1] == '\0')
				return -EINVAL;
			s->needs_shell |= p[1] == '\n';
			add_byte(s, p[1]);
			p += 2;
		} else {
			s->needs_shell |= strchr(SHELL_WORDS, *p) != NULL;
			add_byte(s, *p++);
		}
		if (!p)
			return -EINVAL;
	}
	end_word(s);
	return 0;
}

static char **copy_words(const char *words, size_t n) {
	char **copy = calloc(n + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(words);
		if (!copy[i]) {
			words_free(copy);
			return NULL;
		}
		words += strlen(words) + 1;
	}
	return copy;
}

int words_split(const char *text, char ***ret_words, bool *ret_needs_shell) {
	struct split s = {0};
	char **words;
	int r;

	s.buffer = s.end = malloc(strlen(text) + 1);
	if (!s.buffer)
		return -ENOMEM;
	r = split(&s, text);
	words = r == 0 ? copy_words(s.buffer, s.n_words) : NULL;
	free(s.buffer);
	if (r < 0)
		return r;
	if (!words)
		return -ENOMEM;
	*ret_words = words;
	if (ret_needs_shell)
		*ret_needs_shell = s.needs_shell;
	return 0;
}

void words_free(char **words) {
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}
