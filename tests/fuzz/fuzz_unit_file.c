/* SPDX-License-Identifier: MIT */
/*
 * A unit file, as sdwdctl reads it of a system that it need not trust (--root). What stands in it
 * is there to be found; words that are written are read again the same; and a command line taken
 * apart says all that the whole one does.
 */
#include <errno.h>

#include "exec_line.h"
#include "unit_file.h"
#include "unit_words.h"

#include "fuzz.h"

#define UNIT "web@one.service"

static bool has_end(char c) {
	return strchr(" \t\n\r", c) != NULL;
}

/* Blanks at the ends, line ends inside and backslashes at the end are gone. */
static void check_setting(const struct unit_settings *s, const struct unit_setting *item) {
	const char *const texts[] = {item->name, item->value};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t length = strlen(texts[i]);

		must(!strchr(texts[i], '\n'));
		must(length == 0 || (!has_end(texts[i][0]) && !has_end(texts[i][length - 1])));
	}
	must(!strchr(item->name, '=') && !strpbrk(item->section, "]\n"));
	must(unit_last(s, item->section, item->name) != NULL);
}

/* What systemd reads as a part of one line. */
static bool is_line(const char *text, size_t length) {
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return text_is_utf8(text, length);
}

/* Written as a command line's word, it is the same word. */
static void check_written(const char *word, unsigned hidden) {
	size_t room = 4 * strlen(word) + 3;
	struct text t = {.data = malloc(room), .size = room};
	const char *p;
	char *again;

	must(t.data);
	t.data[0] = '\0';
	unit_word_add(&t, word, hidden);
	must(!t.is_cut && is_line(t.data, t.length));
	if (hidden == 0) {
		p = t.data;
		must(unit_word_next(&p, &again) == 1 && *p == '\0' && strcmp(again, word) == 0);
		free(again);
	} else {
		/* With systemd's own signs: as a command line's argument. */
		struct exec_line e = {0};

		p = t.data;
		must(exec_line_next(&e, UNIT, &p, &again) == 1 && *p == '\0');
		must(strcmp(again, word) == 0);
		free(again);
	}
	free(t.data);
}

static void check_words(const char *text) {
	const char *p = text, *before;
	char *word;
	int r;

	for (;;) {
		before = p;
		r = unit_word_next(&p, &word);
		must(r == 1 || r == 0 || r == -EINVAL);
		if (r <= 0)
			break;
		must(p > before && p <= text + strlen(text));
		must(strlen(word) <= (size_t)(p - before));
		check_written(word, 0);
		if (strlen(word) < 1024)
			check_written(word, UNIT_WORD_PERCENT | UNIT_WORD_DOLLAR);
		free(word);
	}
	must(r < 0 || *p == '\0');
}

static void check_exec(const char *value) {
	struct exec_line e;
	const char *rest;
	char *word;
	int r = exec_line_parse(&e, value);

	must(r == 0 || r == -EINVAL || r == -E2BIG);
	if (r < 0) {
		must(!e.path && !e.argv0 && !e.rest);
		return;
	}
	must(e.path[0] != '\0' && !strchr("-:+!@|", e.path[0]));
	must(strlen(e.prefixes) < sizeof(e.prefixes) && !strchr(e.prefixes, '@'));
	/* The rest is literally the end of the line. */
	must(strlen(e.rest) <= strlen(value));
	must(strcmp(value + strlen(value) - strlen(e.rest), e.rest) == 0);
	rest = e.rest;
	while ((r = exec_line_next(&e, UNIT, &rest, &word)) > 0)
		free(word);
	/* Only where a word is too long. */
	must(r == 0 || strlen(e.rest) > 256);
	exec_line_done(&e);
}

static void check_list(const struct unit_settings *s, const char *name) {
	size_t n = 0;

	for (const struct unit_setting *i = unit_next(s, name, NULL); i; i = unit_next(s, name, i))
		must(strcmp(i->name, name) == 0 && ++n <= s->n_items);
	unit_yes(s, name);
	unit_has_word(s, name, "AF_NETLINK");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct unit_settings s = {0};
	char *text = calloc(1, size + 1);

	must(text);
	if (size > 0)
		memcpy(text, data, size);
	must(unit_settings_read(&s, text, size) == 0);
	must(s.n_items <= size);
	for (size_t i = 0; i < s.n_items; i++) {
		check_setting(&s, &s.items[i]);
		check_words(s.items[i].value);
		check_exec(s.items[i].value);
		check_list(&s, s.items[i].name);
	}
	check_words(text);
	unit_settings_done(&s);
	must(s.n_items == 0);
	free(text);
	return 0;
}
