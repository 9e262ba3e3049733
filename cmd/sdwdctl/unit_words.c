/* SPDX-License-Identifier: MIT */
#include "unit_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t\n\r"

/* The @digits hexadecimal digits at @text as a number, or -1. */
static long hex(const char *text, int digits) {
	long number = 0;

	for (int i = 0; i < digits; i++) {
		char c = text[i];

		if (!isxdigit((unsigned char)c))
			return -1;
		number = number * 16 + (isdigit((unsigned char)c)
						? c - '0'
						: tolower((unsigned char)c) - 'a' + 10);
	}
	return number;
}

static size_t put_utf8(char *to, long c) {
	size_t n = 0;

	if (c < 0x80) {
		to[n++] = (char)c;
		return n;
	}
	if (c < 0x800) {
		to[n++] = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			to[n++] = (char)(0xe0 | c >> 12);
		} else {
			to[n++] = (char)(0xf0 | c >> 18);
			to[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		}
		to[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	to[n++] = (char)(0x80 | (c & 0x3f));
	return n;
}

/*
 * Reads the escape behind a backslash at @text into @to, which has room for four bytes. Returns how
 * many characters it has, 0 where systemd knows no such escape and leaves it as it stands.
 */
static size_t unescape(const char *text, char *to, size_t *ret_length) {
	static const char from[] = "abfnrtv\\\"'s", into[] = "\a\b\f\n\r\t\v\\\"' ";
	const char *known = strchr(from, text[0]);
	int digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
	long number;

	if (known && text[0] != '\0') {
		to[0] = into[known - from];
		*ret_length = 1;
		return 1;
	}
	if (digits > 0) {
		number = hex(text + 1, digits);
		if (number <= 0 || number > 0x10ffff)
			return 0;
		if (digits == 2) {
			to[0] = (char)number;
			*ret_length = 1;
		} else {
			*ret_length = put_utf8(to, number);
		}
		return (size_t)digits + 1;
	}
	if (strspn(text, "01234567") < 3)
		return 0;
	number = (text[0] - '0') * 64 + (text[1] - '0') * 8 + (text[2] - '0');
	if (number == 0 || number > 0xff)
		return 0;
	to[0] = (char)number;
	*ret_length = 1;
	return 3;
}

int unit_word_next(const char **text, char **ret_word) {
	const char *p = *text + strspn(*text, BLANKS);
	char *word, *to, quote = '\0';

	*text = p;
	if (*p == '\0')
		return 0;
	/* No escape is shorter than what it stands for. */
	to = word = malloc(strlen(p) + 1);
	if (!word)
		return -ENOMEM;
	for (; *p != '\0' && (quote != '\0' || !strchr(BLANKS, *p)); p++) {
		size_t length = 0, taken;

		if (quote == '\0' && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == quote) {
			quote = '\0';
		} else if (*p != '\\') {
			*to++ = *p;
		} else if (p[1] == '\0') {
			break;
		} else {
			taken = unescape(p + 1, to, &length);
			if (taken == 0)
				*to++ = *p;
			to += length;
			p += taken;
		}
	}
	if (quote != '\0' || *p == '\\') {
		free(word);
		return -EINVAL;
	}
	*to = '\0';
	*text = p;
	*ret_word = word;
	return 1;
}

/* True where @word must stand in quotes. */
static bool needs_quotes(const char *word) {
	if (word[0] == '\0' || strcmp(word, ";") == 0)
		return true;
	for (const char *p = word; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("\"'\\", *p))
			return true;
	/* systemd reads no line that is not UTF-8. */
	return !text_is_utf8(word, strlen(word));
}

void unit_word_add(struct text *t, const char *word, unsigned hidden) {
	bool is_quoted = needs_quotes(word), is_utf8 = text_is_utf8(word, strlen(word));

	text_add(t, is_quoted ? "\"" : "");
	for (const char *p = word; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c == '%' && hidden & UNIT_WORD_PERCENT) ||
		    (c == '$' && hidden & UNIT_WORD_DOLLAR))
			text_addf(t, "%c%c", c, c);
		else if (c == '"' || c == '\\')
			text_addf(t, "\\%c", c);
		else if (c == '\n')
			text_add(t, "\\n");
		else if (c < ' ' || c == 0x7f || (c >= 0x80 && !is_utf8))
			text_addf(t, "\\x%02x", c);
		else
			text_add_bytes(t, p, 1);
	}
	text_add(t, is_quoted ? "\"" : "");
}

bool unit_is_yes(const char *word) {
	static const char *const words[] = {"1", "yes", "y", "true", "t", "on"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

const char *unit_for_shell(char buffer[static UNIT_SHELL_MAX], const char *name) {
	/* What a shell would take for its own; no name has a quote. */
	const char *quote = strpbrk(name, "\\*") ? "'" : "";

	snprintf(buffer, UNIT_SHELL_MAX, "%s%s%s", quote, name, quote);
	return buffer;
}
