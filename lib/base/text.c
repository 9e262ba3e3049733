/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void text_add_bytes(struct text *t, const char *more, size_t length) {
	size_t room = t->size - t->length - 1;

	if (length > room) {
		length = text_utf8_cut(more, length, room);
		t->is_cut = true;
	}
	memcpy(t->data + t->length, more, length);
	t->length += length;
	t->data[t->length] = '\0';
}

void text_add(struct text *t, const char *more) {
	text_add_bytes(t, more, strlen(more));
}

void text_addv(struct text *t, const char *format, va_list arguments) {
	size_t room = t->size - t->length;
	int n = vsnprintf(t->data + t->length, room, format, arguments);

	if (n < 0)
		return;
	if ((size_t)n < room) {
		t->length += (size_t)n;
		return;
	}
	t->is_cut = true;
	t->length += text_utf8_cut(t->data + t->length, room - 1, room - 1);
	t->data[t->length] = '\0';
}

void text_addf(struct text *t, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	text_addv(t, format, arguments);
	va_end(arguments);
}

/* The length of the UTF-8 character at @p within @left bytes, 0 where there is none. */
static size_t utf8_length(const unsigned char *p, size_t left) {
	size_t n = p[0] < 0x80                   ? 1
		   : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		   : (p[0] & 0xf0) == 0xe0       ? 3
		   : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

static bool is_control(uint32_t c) {
	/* C0, DEL, and the C1 range, which terminals obey as well. */
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/*
 * What a person does not see, or sees something else for: marks that turn the direction of what
 * follows, ends of lines, and characters without a shape. Not U+200C to U+200F, with which Persian,
 * Hebrew and emoji are written.
 */
static bool is_misleading(uint32_t c) {
	return c == 0x200b || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

size_t text_character(const char *text, size_t length, bool *ret_is_clean) {
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c;
	size_t n;

	/* What nearly all characters are. */
	if (p[0] >= ' ' && p[0] <= '~') {
		*ret_is_clean = true;
		return 1;
	}
	n = utf8_length(p, length);
	c = n <= 1 ? p[0] : p[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fU);
	*ret_is_clean = n > 0 && !is_control(c) && !is_misleading(c);
	return MAX(n, (size_t)1);
}

size_t text_clean(char *buffer, size_t size, const char *source, size_t length) {
	size_t written = 0;

	while (length > 0 && isspace((unsigned char)*source))
		source++, length--;
	while (length > 0 && isspace((unsigned char)source[length - 1]))
		length--;

	while (length > 0) {
		bool is_clean;
		size_t n = text_character(source, length, &is_clean);

		if (written + (is_clean ? n : 1) >= size)
			break;
		if (!is_clean)
			buffer[written++] = '?';
		else
			for (size_t i = 0; i < n; i++)
				buffer[written++] = source[i];
		source += n;
		length -= n;
	}
	/* The cut may have fallen behind a blank. */
	while (written > 0 && buffer[written - 1] == ' ')
		written--;
	buffer[written] = '\0';
	return written;
}

size_t text_utf8_cut(const char *text, size_t length, size_t limit) {
	size_t cut;

	if (length < limit)
		limit = length;
	/* Step back over at most three continuation bytes to the start of the last character. */
	for (cut = limit; cut > 0 && limit - cut < 4; cut--) {
		unsigned char c = (unsigned char)text[cut - 1];

		if ((c & 0xc0) == 0x80)
			continue;
		return utf8_length((const unsigned char *)text + cut - 1, limit - (cut - 1)) > 0 ||
				       c < 0x80
			       ? limit
			       : cut - 1;
	}
	return limit;
}

bool text_is_utf8(const char *text, size_t length) {
	while (length > 0) {
		size_t n = utf8_length((const unsigned char *)text, length);

		if (n == 0)
			return false;
		text += n;
		length -= n;
	}
	return true;
}

bool text_is_clean(const char *text, size_t length) {
	while (length > 0) {
		bool is_clean;
		size_t n = text_character(text, length, &is_clean);

		if (!is_clean)
			return false;
		text += n;
		length -= n;
	}
	return true;
}

int text_parse_u64(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *ret_number) {
	uint64_t number = 0;

	if (*text == '\0')
		return -EINVAL;
	for (const char *p = text; *p != '\0'; p++)
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
	for (const char *p = text; *p != '\0'; p++)
		if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return -ERANGE;
	if (number < minimum || number > maximum)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

int text_parse_i64(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_number) {
	bool is_negative = *text == '-';
	uint64_t magnitude;
	int64_t number;
	int r;

	r = text_parse_u64(text + (*text == '-' || *text == '+' ? 1 : 0), 0, INT64_MAX, &magnitude);
	if (r < 0)
		return r;
	number = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (number < minimum || number > maximum)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

/* sigabbrev_np(3) came with glibc 2.32; Debian 11 has 2.31. */
static const char *signal_name(int number) {
	static const char *const names[] = {
		[SIGHUP] = "HUP",       [SIGINT] = "INT",     [SIGQUIT] = "QUIT",
		[SIGILL] = "ILL",       [SIGTRAP] = "TRAP",   [SIGABRT] = "ABRT",
		[SIGBUS] = "BUS",       [SIGFPE] = "FPE",     [SIGKILL] = "KILL",
		[SIGUSR1] = "USR1",     [SIGSEGV] = "SEGV",   [SIGUSR2] = "USR2",
		[SIGPIPE] = "PIPE",     [SIGALRM] = "ALRM",   [SIGTERM] = "TERM",
		[SIGCHLD] = "CHLD",
#ifdef SIGSTKFLT
		[SIGSTKFLT] = "STKFLT",
#endif
		[SIGCONT] = "CONT",     [SIGSTOP] = "STOP",   [SIGTSTP] = "TSTP",
		[SIGTTIN] = "TTIN",     [SIGTTOU] = "TTOU",   [SIGURG] = "URG",
		[SIGXCPU] = "XCPU",     [SIGXFSZ] = "XFSZ",   [SIGVTALRM] = "VTALRM",
		[SIGPROF] = "PROF",     [SIGWINCH] = "WINCH", [SIGPOLL] = "POLL",
		[SIGPWR] = "PWR",       [SIGSYS] = "SYS",
	};

	return number > 0 && number < (int)ARRAY_SIZE(names) ? names[number] : NULL;
}

int text_parse_signal(const char *text, int *ret_signal) {
	uint64_t number;
	int base = 0, sign = 1;

	if (text_parse_u64(text, 1, (uint64_t)SIGRTMAX, &number) == 0) {
		*ret_signal = (int)number;
		return 0;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0)
		base = SIGRTMIN;
	else if (strncasecmp(text, "RTMAX", 5) == 0)
		base = SIGRTMAX, sign = -1;
	if (base != 0) {
		text += 5;
		number = 0;
		if (*text != '\0' &&
		    (*text != (sign > 0 ? '+' : '-') ||
		     text_parse_u64(text + 1, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &number) < 0))
			return -EINVAL;
		*ret_signal = base + sign * (int)number;
		return 0;
	}
	for (int n = 1; n < 32; n++) {
		const char *name = signal_name(n);

		if (name && strcasecmp(name, text) == 0) {
			*ret_signal = n;
			return 0;
		}
	}
	return -EINVAL;
}

const char *signal_str(char buffer[static SIGNAL_STR_MAX], int number) {
	const char *name = signal_name(number);

	if (name)
		snprintf(buffer, SIGNAL_STR_MAX, "SIG%s", name);
	else if (number == SIGRTMIN)
		snprintf(buffer, SIGNAL_STR_MAX, "SIGRTMIN");
	else if (number > SIGRTMIN && number <= SIGRTMAX)
		snprintf(buffer, SIGNAL_STR_MAX, "SIGRTMIN+%d", number - SIGRTMIN);
	else
		snprintf(buffer, SIGNAL_STR_MAX, "%d", number);
	return buffer;
}

static int hex_value(char c) {
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

ssize_t text_unescape(char *buffer, const char *source) {
	static const char names[] = "nrt\\\"'abfve", values[] = "\n\r\t\\\"'\a\b\f\v\033";
	char *out = buffer;

	while (*source != '\0') {
		const char *found;

		if (*source != '\\') {
			*out++ = *source++;
			continue;
		}
		source++;
		if (*source == '\0')
			return -EINVAL;
		if (*source >= '0' && *source <= '7') {
			unsigned value = 0;

			for (int i = 0; i < 3 && *source >= '0' && *source <= '7'; i++)
				value = value * 8 + (unsigned)(*source++ - '0');
			if (value > 0xff)
				return -EINVAL;
			*out++ = (char)value;
			continue;
		}
		if (*source == 'x') {
			if (hex_value(source[1]) < 0 || hex_value(source[2]) < 0)
				return -EINVAL;
			*out++ = (char)(hex_value(source[1]) * 16 + hex_value(source[2]));
			source += 3;
			continue;
		}
		found = strchr(names, *source);
		if (!found)
			return -EINVAL;
		*out++ = values[found - names];
		source++;
	}
	*out = '\0';
	return out - buffer;
}
