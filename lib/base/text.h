/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <sys/types.h>

#include "base/defs.h"

/* A text in a buffer of the caller's: always terminated, cut where the buffer ends. */
struct text {
	char *data;
	size_t size;   /* of the buffer, the final NUL included */
	size_t length; /* without the NUL */
	bool is_cut;   /* something did not fit */
};

/* An empty text over the array @array. */
#define TEXT_OVER(array) ((struct text){.data = memset((array), 0, 1), .size = sizeof(array)})

/* Adds at the end; what does not fit is cut off and is_cut set. */
void text_add(struct text *t, const char *more);
void text_add_bytes(struct text *t, const char *more, size_t length);
void text_addf(struct text *t, const char *format, ...) printf_like(2, 3);
void text_addv(struct text *t, const char *format, va_list arguments) printf_like(2, 0);

/*
 * The length of the character at @text, which has @length bytes, at least 1; 1 where it is no
 * UTF-8. *@ret_is_clean is false for that, for control characters, and for what shows a person
 * something else than is there: marks that turn the direction of a text, and invisible ones.
 */
size_t text_character(const char *text, size_t length, bool *ret_is_clean);

/*
 * Copies @length bytes of @source to @buffer as one line of clean characters (see
 * text_character()): each other one becomes one '?', what does not fit is cut between two
 * characters, and then blanks at both ends are left out, so that cleaning again changes nothing.
 * Returns the length written; @size must be at least 1.
 */
size_t text_clean(char *buffer, size_t size, const char *source, size_t length);

/* Cuts @length back to the last whole UTF-8 character within @limit bytes of @text. Returns the new
 * length. */
size_t text_utf8_cut(const char *text, size_t length, size_t limit);

/* True where @text is valid UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, no overlong
 * form). */
bool text_is_utf8(const char *text, size_t length);

/* True where each character of @text is clean (see text_character()). */
bool text_is_clean(const char *text, size_t length);

/*
 * Reads a decimal number: digits only, no sign, no blank, nothing behind.
 * Returns 0, -EINVAL (malformed), or -ERANGE (outside @minimum..@maximum).
 */
int text_parse_u64(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *ret_number);

/* The same with an optional sign. */
int text_parse_i64(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_number);

/*
 * A signal's number from its name ("TERM", "SIGTERM", "RTMIN+3", "SIGRTMAX-1") or number.
 * Returns 0, or -EINVAL.
 */
int text_parse_signal(const char *text, int *ret_signal);

/* Enough for every text of signal_str(). */
#define SIGNAL_STR_MAX 16

/* The name with SIG in front, "SIGTERM" or "SIGRTMIN+3". Returns @buffer. */
const char *signal_str(char buffer[static SIGNAL_STR_MAX], int number);

/*
 * Replaces C escapes in @source (\n \r \t \0 \\ \" \a \b \f \v \e \xHH \OOO) into @buffer, which is
 * at least as large as @source with its NUL. Returns the length written, or -EINVAL for an unknown
 * or unfinished escape.
 */
ssize_t text_unescape(char *buffer, const char *source);
