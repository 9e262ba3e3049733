/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * Writes one JSON value (RFC 8259), part by part, into memory that grows; all zero to begin with.
 * Where there is no memory for a part, nothing more is written, and json_take() says so.
 */
struct json {
	char *data; /* owned */
	size_t length, size;
	bool has_before; /* the next part stands behind another one */
	bool has_failed;
};

/* Everything has a @key in an object, and NULL elsewhere. */

/* @bracket: '{' or '['; to be ended by json_end() with '}' or ']'. */
void json_begin(struct json *j, const char *key, char bracket);
void json_end(struct json *j, char bracket);

/* @value NULL is null; what is no UTF-8 is cleaned and cut to NOTIFY_MSG_MAX (text_clean()). */
void json_text(struct json *j, const char *key, const char *value);

/* USEC_INFINITY, which has no end, is null. */
void json_number(struct json *j, const char *key, uint64_t value);
void json_flag(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

/* The whole as a text, the caller's; *@ret_length counts its NUL. NULL: there was no memory. */
char *json_take(struct json *j, size_t *ret_length);
