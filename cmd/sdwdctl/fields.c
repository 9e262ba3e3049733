/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <string.h>

#include "base/text.h"

struct json_object *field(struct json_object *object, const char *name) {
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

const char *field_text(struct json_object *object, const char *name, size_t *ret_length) {
	struct json_object *value = field(object, name);

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	if (ret_length)
		*ret_length = (size_t)json_object_get_string_len(value);
	return json_object_get_string(value);
}

const char *field_clean(struct json_object *object, const char *name, char *buffer, size_t size) {
	size_t length = 0;
	const char *text = field_text(object, name, &length);

	text_clean(buffer, size, text ? text : "", length);
	return buffer;
}

int64_t field_int(struct json_object *object, const char *name, int64_t fallback) {
	struct json_object *value = field(object, name);
	int64_t number;

	if (!json_object_is_type(value, json_type_int))
		return fallback;
	number = json_object_get_int64(value);
	return number < 0 && fallback >= 0 ? fallback : number;
}

bool field_is(struct json_object *object, const char *name) {
	struct json_object *value = field(object, name);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

bool field_says(struct json_object *object, const char *name, const char *text) {
	size_t length;
	const char *value = field_text(object, name, &length);

	return value && length == strlen(text) && memcmp(value, text, length) == 0;
}

size_t field_count(struct json_object *object, const char *name) {
	struct json_object *value = field(object, name);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *field_at(struct json_object *object, const char *name, size_t at) {
	return at < field_count(object, name) ? json_object_array_get_idx(field(object, name), at)
					      : NULL;
}

bool field_put(struct json_object *object, const char *name, struct json_object *value) {
	if (object && value && json_object_object_add(object, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}
