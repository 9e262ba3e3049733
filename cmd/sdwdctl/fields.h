/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

#include "base/defs.h"

/*
 * Fields of a reply, whose types nobody has checked.  What is absent, null or of another type is
 * the answer for "nothing": NULL, @fallback, false.  @object may be NULL or no object.
 */

/* The field, borrowed. */
struct json_object *field(struct json_object *object, const char *name);

/* The text, borrowed, not cleaned: it may hold a NUL; with its length where @ret_length is not
 * NULL. */
const char *field_text(struct json_object *object, const char *name, size_t *ret_length);

/* The text as one clean line of @buffer ("" for nothing). Returns @buffer. */
const char *field_clean(struct json_object *object, const char *name, char *buffer, size_t size);

/* The whole number; negative ones only where @fallback is negative. */
int64_t field_int(struct json_object *object, const char *name, int64_t fallback);

/* True where it is true. */
bool field_is(struct json_object *object, const char *name);

/* True where it is the text @text. */
bool field_says(struct json_object *object, const char *name, const char *text);

/* The elements of an array. */
size_t field_count(struct json_object *object, const char *name);

/* Element @at of it, borrowed; NULL behind its end. */
struct json_object *field_at(struct json_object *object, const char *name, size_t at);

/*
 * Adds a field to an object of ours. Takes @value, which is NULL where there was no memory for it;
 * so may @object be. Returns false where memory ran out: then the field is not there.
 */
bool field_put(struct json_object *object, const char *name, struct json_object *value);
