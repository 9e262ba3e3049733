/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every input. What does not is named, and ends the process. */
#define must(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: must(%s)\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* An exact heap block with @size bytes of @data: reading one byte too far is seen. To free. */
static inline char *fuzz_bytes(const void *data, size_t size) {
	char *block = malloc(size > 0 ? size : 1);

	must(block);
	if (size > 0)
		memcpy(block, data, size);
	return block;
}

/* The same as a text, up to the first NUL in it. */
static inline char *fuzz_text(const void *data, size_t size) {
	size_t length = size > 0 ? strnlen(data, size) : 0;
	char *text = malloc(length + 1);

	must(text);
	if (length > 0)
		memcpy(text, data, length);
	text[length] = '\0';
	return text;
}

/* Marks that turn a text's direction and characters without a shape, as bytes: from, to. */
static inline bool fuzz_is_misleading(const unsigned char *p, size_t left) {
	static const char *const spans[][2] = {
		{"\xe2\x80\x8b", "\xe2\x80\x8b"}, {"\xe2\x80\xa8", "\xe2\x80\xae"},
		{"\xe2\x81\xa0", "\xe2\x81\xaf"}, {"\xef\xbb\xbf", "\xef\xbb\xbf"},
		{"\xef\xbf\xb9", "\xef\xbf\xbb"}, {"\xf3\xa0\x80\x80", "\xf3\xa0\x81\xbf"},
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		size_t n = strlen(spans[i][0]);

		if (left >= n && memcmp(p, spans[i][0], n) >= 0 && memcmp(p, spans[i][1], n) <= 0)
			return true;
	}
	return false;
}

/* True where a terminal shows the text as it stands: UTF-8 without control characters, those of
 * the C1 range included, and without what misleads. */
static inline bool fuzz_is_clean(const char *text, size_t length) {
	const unsigned char *p = (const unsigned char *)text;

	if (!text_is_utf8(text, length))
		return false;
	for (size_t i = 0; i < length; i++)
		if (p[i] < 0x20 || p[i] == 0x7f ||
		    (p[i] == 0xc2 && i + 1 < length && p[i + 1] < 0xa0) ||
		    fuzz_is_misleading(p + i, length - i))
			return false;
	return true;
}

/* One line for people, as errors and reasons are. */
static inline void fuzz_check_line(const char *text) {
	must(*text != '\0' && fuzz_is_clean(text, strlen(text)));
}
