/* SPDX-License-Identifier: MIT */
#include "conf/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"

/*
 * The config file, sdwd.conf(5).  Line ends, comments and continued lines are those of unit files
 * (systemd.syntax(7)), which the same people write, with one difference: a continued line goes on
 * without a blank in between, so that a long URL or list can be broken too.
 */

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* The text, and the one line of it that is being looked at. */
struct reader {
	const char *next, *end; /* what is not read yet */
	unsigned n_lines;       /* how many were read */
	char *line;             /* owned; room for the whole text */
	size_t length;
	bool is_open;         /* the line goes on, and the text is over */
	struct origin origin; /* of the line */
};

static bool is_blank(char c) {
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off both ends of the @*length bytes at @p. Returns where they begin now. */
static char *trim(const char *p, size_t *length) {
	while (*length > 0 && is_blank(*p))
		p++, --*length;
	while (*length > 0 && is_blank(p[*length - 1]))
		--*length;
	return (char *)p;
}

/* Of two backslashes the first one quotes the second, and the line does not go on. */
static bool is_continued(const char *p, size_t length) {
	size_t n = 0;

	while (n < length && p[length - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

/* Gets the next line that is neither empty nor a comment, with those that it goes on in; false: the
 * text is over. */
static bool next_line(struct reader *r) {
	bool is_found = false;

	r->length = 0;
	r->is_open = false;
	while (r->next < r->end && (!is_found || r->is_open)) {
		const char *newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
		size_t n = (size_t)((newline ? newline : r->end) - r->next);
		const char *p = trim(r->next, &n);

		r->next = newline ? newline + 1 : r->end;
		r->n_lines++;
		if ((n > 0 && *p == '#') || (n == 0 && !r->is_open))
			continue;
		if (!is_found)
			r->origin.line = r->n_lines;
		is_found = true;
		r->is_open = is_continued(p, n);
		n -= r->is_open;
		memcpy(r->line + r->length, p, n);
		r->length += n;
	}
	r->line[r->length] = '\0';
	return is_found;
}

/* A line of which not even the option is clear. */
static int refuse_line(struct conf *c, const struct origin *origin, const char *reason,
		       struct text *error) {
	c->is_lost = true;
	text_addf(error, "%s:%u: %s", origin->file, origin->line, reason);
	return -EINVAL;
}

static int set_command(struct conf *c, const char *value, const struct origin *origin,
		       struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	char **words = NULL;
	int r = value ? words_split(value, &words, NULL) : -EINVAL;
	bool is_named = words && words[0] && words[0][0] != '\0';

	if (is_named)
		r = conf_set_command(c, words, origin);
	if (r == -ENOMEM) {
		text_add(error, "out of memory");
	} else if (!is_named) {
		conf_add_place(error, origin, "command");
		text_addf(error, "%s%s", value ? opt_quoted(quoted, value) : "needs a value",
			  !value  ? ""
			  : r < 0 ? " has a quote that is not closed, or ends in a backslash"
				  : " names no command");
		r = -EINVAL;
	}
	words_free(words);
	return r;
}

static int take_line(struct conf *c, const struct reader *r, const struct probe_kind *const *kinds,
		     struct text *error) {
	char *equals = strchr(r->line, '='), *name, *value = NULL;
	size_t name_length = equals ? (size_t)(equals - r->line) : r->length;

	if (r->is_open)
		return refuse_line(c, &r->origin, "ends in a backslash, and nothing follows",
				   error);
	if (equals) {
		size_t n = r->length - name_length - 1;

		value = trim(equals + 1, &n);
		value[n] = '\0';
	}
	name = trim(r->line, &name_length);
	name[name_length] = '\0';

	if (name_length == 0 && !equals)
		return 0;
	if (name_length == 0)
		return refuse_line(c, &r->origin, "no option before '='", error);
	if (strcmp(name, "command") == 0)
		return set_command(c, value, &r->origin, error);
	if (strpbrk(name, " \t")) {
		char reason[OPT_QUOTED_MAX + 32], quoted[OPT_QUOTED_MAX];

		snprintf(reason, sizeof(reason), "%s is not 'option = value'",
			 opt_quoted(quoted, name));
		return refuse_line(c, &r->origin, reason, error);
	}
	return conf_set(c, name, value, &r->origin, kinds, error);
}

static int take_lines(struct conf *c, struct reader *reader, const struct probe_kind *const *kinds,
		      struct text *errors) {
	int result = 0;

	while (result != -ENOMEM && next_line(reader)) {
		struct text before = *errors;
		int r;

		if (errors->length > 0)
			text_add(errors, "\n");
		r = take_line(c, reader, kinds, errors);
		if (r < 0) {
			result = r;
		} else {
			*errors = before;
			errors->data[errors->length] = '\0';
		}
	}
	return result;
}

/* The line of the first NUL in the text, or 0. A file in UTF-16 has one in each line. */
static unsigned line_of_nul(const char *data, size_t length) {
	const char *nul = length > 0 ? memchr(data, '\0', length) : NULL;
	unsigned line = 1;

	for (const char *p = data; nul && p < nul; p++)
		line += *p == '\n';
	return nul ? line : 0;
}

int conf_file_parse(struct conf *c, const char *name, const char *data, size_t length,
		    const struct probe_kind *const *kinds, struct text *errors) {
	struct reader reader = {.next = data, .end = data + length};
	size_t size = strlen(name) + 1;
	int r;

	assert(!c->file);
	c->file = malloc(size);
	reader.line = malloc(length + 1);
	if (!c->file || !reader.line) {
		text_add(errors, "out of memory");
		free(reader.line);
		return -ENOMEM;
	}
	text_clean(c->file, size, name, size - 1);
	reader.origin = (struct origin){
		.kind = ORIGIN_FILE,
		.line = line_of_nul(data, length),
		.file = c->file,
	};
	if (length >= 3 && memcmp(data, BYTE_ORDER_MARK, 3) == 0)
		reader.next += 3;
	conf_begin_source(c);
	if (reader.origin.line > 0)
		r = refuse_line(c, &reader.origin, "has a NUL byte: this is no text", errors);
	else
		r = take_lines(c, &reader, kinds, errors);
	free(reader.line);
	c->is_faulty |= r < 0;
	return r;
}
