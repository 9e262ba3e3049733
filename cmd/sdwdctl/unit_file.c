/* SPDX-License-Identifier: MIT */
#include "unit_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit_words.h"

#define BLANKS " \t\n\r"

static int add(struct unit_settings *s, const char *section, const char *name, const char *value) {
	struct unit_setting *items = reallocarray(s->items, s->n_items + 1, sizeof(*items));
	struct unit_setting item = {strdup(section), strdup(name), strdup(value)};

	if (items)
		s->items = items;
	if (!items || !item.section || !item.name || !item.value) {
		free(item.section);
		free(item.name);
		free(item.value);
		return -ENOMEM;
	}
	s->items[s->n_items++] = item;
	return 0;
}

/* Cuts the blanks at both ends of @text off. */
static char *strip(char *text) {
	size_t length;

	text += strspn(text, BLANKS);
	length = strlen(text);
	while (length > 0 && strchr(BLANKS, text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* Reads one whole line; *@section (owned) follows its heading. */
static int read_line(struct unit_settings *s, char *line, char **section) {
	char *equals, *end;

	line = strip(line);
	if (line[0] == '[') {
		end = strchr(line, ']');
		if (!end)
			return 0;
		*end = '\0';
		free(*section);
		*section = strdup(line + 1);
		return *section ? 0 : -ENOMEM;
	}
	equals = strchr(line, '=');
	if (!equals || !*section)
		return 0;
	*equals = '\0';
	return add(s, *section, strip(line), strip(equals + 1));
}

/* True where the line's last character is a backslash that no other one takes back. */
static bool is_continued(const char *line, size_t length) {
	size_t n = 0;

	while (n < length && line[length - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

int unit_settings_read(struct unit_settings *s, const char *data, size_t length) {
	const char *p = data, *end = data + length;
	char *line = malloc(length + 1), *section = NULL;
	size_t used = 0;
	int r = line ? 0 : -ENOMEM;

	if (length >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (r == 0 && p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		const char *next = stop ? stop + 1 : end;
		const char *first = p;

		if (!stop)
			stop = end;
		while (first < stop && strchr(" \t\r", *first))
			first++;
		/* Also between the parts of a continued line, whose blanks in front are of the
		 * value. */
		if (first < stop && (*first == '#' || *first == ';')) {
			p = next;
			continue;
		}
		memcpy(line + used, p, (size_t)(stop - p));
		used += (size_t)(stop - p);
		if (used > 0 && line[used - 1] == '\r')
			used--;
		p = next;
		if (is_continued(line, used)) {
			line[used - 1] = ' ';
			continue;
		}
		line[used] = '\0';
		used = 0;
		r = read_line(s, line, &section);
	}
	if (r == 0 && used > 0) {
		line[used] = '\0';
		r = read_line(s, line, &section);
	}
	free(line);
	free(section);
	return r;
}

void unit_settings_done(struct unit_settings *s) {
	for (size_t i = 0; i < s->n_items; i++) {
		free(s->items[i].section);
		free(s->items[i].name);
		free(s->items[i].value);
	}
	free(s->items);
	*s = (struct unit_settings){0};
}

static bool is_setting(const struct unit_setting *item, const char *section, const char *name) {
	return strcmp(item->section, section) == 0 && strcmp(item->name, name) == 0;
}

const char *unit_last(const struct unit_settings *s, const char *section, const char *name) {
	for (size_t i = s->n_items; i > 0; i--)
		if (is_setting(&s->items[i - 1], section, name))
			return s->items[i - 1].value;
	return NULL;
}

const char *unit_value(const struct unit_settings *s, const char *name, const char *fallback) {
	const char *value = unit_last(s, "Service", name);

	return value && value[0] != '\0' ? value : fallback;
}

const struct unit_setting *unit_next(const struct unit_settings *s, const char *name,
				     const struct unit_setting *after) {
	size_t first = after ? (size_t)(after - s->items) + 1 : 0;

	for (size_t i = s->n_items; !after && i > 0; i--)
		if (is_setting(&s->items[i - 1], "Service", name) &&
		    s->items[i - 1].value[0] == '\0') {
			first = i;
			break;
		}
	for (size_t i = first; i < s->n_items; i++)
		if (is_setting(&s->items[i], "Service", name))
			return &s->items[i];
	return NULL;
}

bool unit_yes(const struct unit_settings *s, const char *name) {
	return unit_is_yes(unit_value(s, name, "no"));
}

bool unit_has_word(const struct unit_settings *s, const char *name, const char *word) {
	bool is_found = false;

	for (const struct unit_setting *i = unit_next(s, name, NULL); i;
	     i = unit_next(s, name, i)) {
		const char *p = i->value;
		char *found;

		while (!is_found && unit_word_next(&p, &found) > 0) {
			is_found = strcmp(found, word) == 0;
			free(found);
		}
	}
	return is_found;
}
