/* SPDX-License-Identifier: MIT */
#include "exec_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit_words.h"

#define BLANKS " \t\n\r"

/* Reads the signs in front of @word's path. Returns the path. */
static const char *read_prefixes(struct exec_line *e, const char *word, bool *ret_has_argv0) {
	size_t n = 0;

	*ret_has_argv0 = false;
	for (; *word != '\0' && strchr("-:+!@|", *word); word++) {
		if (*word == '@') {
			*ret_has_argv0 = true;
			continue;
		}
		e->has_no_variables |= *word == ':';
		e->is_shell |= *word == '|';
		if (n < sizeof(e->prefixes) - 1)
			e->prefixes[n++] = *word;
	}
	e->prefixes[n] = '\0';
	return word;
}

/* True where a ";" stands as a word of its own, unquoted, in @rest. */
static bool has_semicolon(const char *rest) {
	for (;;) {
		char *word;

		rest += strspn(rest, BLANKS);
		if (rest[0] == ';' && (rest[1] == '\0' || strchr(BLANKS, rest[1])))
			return true;
		if (unit_word_next(&rest, &word) <= 0)
			return false;
		free(word);
	}
}

int exec_line_parse(struct exec_line *e, const char *value) {
	const char *p = value, *path;
	char *first = NULL, *word;
	bool has_argv0;
	int r;

	*e = (struct exec_line){0};
	r = unit_word_next(&p, &first);
	if (r <= 0)
		return r < 0 ? r : -EINVAL;
	path = read_prefixes(e, first, &has_argv0);
	r = path[0] == '\0' ? -EINVAL : 0;
	if (r == 0) {
		e->path = strdup(path);
		r = e->path ? 0 : -ENOMEM;
	}
	free(first);
	if (r == 0 && has_argv0) {
		r = unit_word_next(&p, &e->argv0);
		r = r > 0 ? 0 : r < 0 ? r : -EINVAL;
	}
	/* The quotes of the rest must be right. */
	for (const char *q = p; r == 0;) {
		int n = unit_word_next(&q, &word);

		if (n <= 0) {
			r = n;
			break;
		}
		free(word);
	}
	if (r == 0 && has_semicolon(p))
		r = -E2BIG;
	if (r == 0) {
		e->rest = strdup(p + strspn(p, BLANKS));
		r = e->rest ? 0 : -ENOMEM;
	}
	if (r < 0)
		exec_line_done(e);
	return r;
}

void exec_line_done(struct exec_line *e) {
	free(e->path);
	free(e->argv0);
	free(e->rest);
	*e = (struct exec_line){0};
}

/* Adds what the specifier @c stands for, of the name @unit, to @t. False: not one of these. */
static bool add_specifier(struct text *t, char c, const char *unit) {
	size_t name = strcspn(unit, "."), prefix;
	const char *dot = strrchr(unit, '.');

	if (dot)
		name = (size_t)(dot - unit);
	prefix = MIN(strcspn(unit, "@"), name);
	if (c == '%')
		text_add(t, "%");
	else if (c == 'n')
		text_add(t, unit);
	else if (c == 'N')
		text_add_bytes(t, unit, name);
	else if (c == 'p')
		text_add_bytes(t, unit, prefix);
	else if (c == 'i')
		text_add_bytes(t, unit + MIN(prefix + 1, name), name - MIN(prefix + 1, name));
	else
		return false;
	return true;
}

/* Adds the sign at @p, or what the specifier there stands for. Returns what is behind. */
static const char *add_expanded(struct text *t, const char *p, const char *unit) {
	if (*p == '%' && p[1] != '\0' && add_specifier(t, p[1], unit))
		return p + 2;
	text_add_bytes(t, p, 1);
	return p + 1;
}

void exec_line_expand(struct text *t, const char *word, const char *unit) {
	while (*word != '\0')
		word = add_expanded(t, word, unit);
}

int exec_line_next(const struct exec_line *e, const char *unit, const char **rest,
		   char **ret_word) {
	char buffer[4096];
	struct text t = TEXT_OVER(buffer);
	char *word;
	int r = unit_word_next(rest, &word);

	if (r <= 0)
		return r;
	for (const char *p = word; *p != '\0';) {
		if (*p == '$' && p[1] == '$' && !e->has_no_variables)
			p++;
		p = add_expanded(&t, p, unit);
	}
	free(word);
	if (t.is_cut)
		return -EINVAL;
	*ret_word = strdup(buffer);
	return *ret_word ? 1 : -ENOMEM;
}
