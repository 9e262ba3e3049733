/* SPDX-License-Identifier: MIT */
#include "app/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/usec.h"
#include "core/notify_msg.h"

/* Enough for most replies. */
#define JSON_FIRST 4096
/* "\u001f" */
#define ESCAPE_MAX 6

static void add(struct json *j, const char *bytes, size_t length) {
	if (j->has_failed)
		return;
	if (length > j->size - j->length) {
		size_t size = MAX(2 * j->size, j->length + length + JSON_FIRST);
		char *data = realloc(j->data, size);

		if (!data) {
			j->has_failed = true;
			return;
		}
		j->data = data;
		j->size = size;
	}
	memcpy(j->data + j->length, bytes, length);
	j->length += length;
}

static void add_word(struct json *j, const char *word) {
	add(j, word, strlen(word));
}

static bool is_plain(char c) {
	return (unsigned char)c >= ' ' && c != '"' && c != '\\';
}

/* The one character @c that may not stand for itself. */
static void add_escaped(struct json *j, char c) {
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *found = strchr(from, c);
	char escape[ESCAPE_MAX + 1];

	if (found)
		snprintf(escape, sizeof(escape), "\\%c", to[found - from]);
	else
		snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)c);
	add_word(j, escape);
}

static void add_quoted(struct json *j, const char *value) {
	add(j, "\"", 1);
	while (*value != '\0') {
		size_t n = 0;

		while (value[n] != '\0' && is_plain(value[n]))
			n++;
		add(j, value, n);
		value += n;
		if (*value != '\0')
			add_escaped(j, *value++);
	}
	add(j, "\"", 1);
}

/* What stands before a value. */
static void begin_part(struct json *j, const char *key) {
	if (j->has_before)
		add(j, ",", 1);
	j->has_before = true;
	if (!key)
		return;
	add_quoted(j, key);
	add(j, ":", 1);
}

void json_begin(struct json *j, const char *key, char bracket) {
	begin_part(j, key);
	add(j, &bracket, 1);
	j->has_before = false;
}

void json_end(struct json *j, char bracket) {
	add(j, &bracket, 1);
	j->has_before = true;
}

void json_text(struct json *j, const char *key, const char *value) {
	char clean[NOTIFY_MSG_MAX];

	if (!value) {
		json_null(j, key);
		return;
	}
	if (!text_is_utf8(value, strlen(value))) {
		(void)text_clean(clean, sizeof(clean), value, strlen(value));
		value = clean;
	}
	begin_part(j, key);
	add_quoted(j, value);
}

void json_number(struct json *j, const char *key, uint64_t value) {
	char digits[24];

	if (value == USEC_INFINITY) {
		json_null(j, key);
		return;
	}
	snprintf(digits, sizeof(digits), "%" PRIu64, MIN(value, (uint64_t)INT64_MAX));
	begin_part(j, key);
	add_word(j, digits);
}

void json_flag(struct json *j, const char *key, bool value) {
	begin_part(j, key);
	add_word(j, value ? "true" : "false");
}

void json_null(struct json *j, const char *key) {
	begin_part(j, key);
	add_word(j, "null");
}

char *json_take(struct json *j, size_t *ret_length) {
	char *data = NULL;

	add(j, "", 1);
	if (j->has_failed) {
		free(j->data);
	} else {
		data = j->data;
		*ret_length = j->length;
	}
	*j = (struct json){0};
	return data;
}
