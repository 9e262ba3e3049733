/* SPDX-License-Identifier: MIT */
/*
 * The first byte is the size of a buffer, the rest is a stranger's text. However it is written it
 * fits, is terminated, and is no terminal's command.
 */
#include <errno.h>
#include <signal.h>

#include "base/optab.h"
#include "base/text.h"

#include "fuzz.h"

/* RFC 3629, by the number that a character stands for. */
static bool is_utf8(const unsigned char *p, size_t length) {
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};

	for (size_t i = 0; i < length;) {
		size_t n = p[i] < 0x80             ? 1
			   : (p[i] & 0xe0) == 0xc0 ? 2
			   : (p[i] & 0xf0) == 0xe0 ? 3
			   : (p[i] & 0xf8) == 0xf0 ? 4
						   : 0;
		uint32_t c;

		if (n == 0 || n > length - i)
			return false;
		c = n == 1 ? p[i] : p[i] & (0x7fU >> n);
		for (size_t k = 1; k < n; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i + k] & 0x3f);
		}
		if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		i += n;
	}
	return true;
}

static void check_clean(const char *data, size_t length, size_t room) {
	char *small = malloc(room), *large = malloc(length + 1), *again = malloc(length + 1);
	size_t n, m;

	must(small && large && again);
	n = text_clean(small, room, data, length);
	must(n < room && strlen(small) == n && fuzz_is_clean(small, n));
	m = text_clean(large, length + 1, data, length);
	must(m <= length && strlen(large) == m && fuzz_is_clean(large, m));
	must(m == 0 || (large[0] != ' ' && large[m - 1] != ' '));
	/* What does not fit is cut, nothing else; what is clean stays as it is. */
	must(n <= m && memcmp(small, large, n) == 0);
	must(n == m || n + strspn(large + n, " ") + 4 >= room);
	must(n == 0 || (small[0] != ' ' && small[n - 1] != ' '));
	must(text_clean(again, length + 1, large, m) == m && strcmp(again, large) == 0);
	if (fuzz_is_clean(data, length) && m == length)
		must(memcmp(large, data, length) == 0);
	free(small);
	free(large);
	free(again);
}

static void check_cut(const char *data, size_t length, size_t limit) {
	size_t cut = text_utf8_cut(data, length, limit), most = MIN(limit, length);
	bool is_right = text_is_utf8(data, length);

	must(is_right == is_utf8((const unsigned char *)data, length));
	must(cut <= most && most - cut <= (is_right ? 3 : 4));
	if (is_right)
		must(text_is_utf8(data, cut));
}

static void check_add(const char *text, const char *data, size_t length, size_t room) {
	size_t whole = strlen(text);
	struct text t = {.data = malloc(room), .size = room};

	must(t.data);
	t.data[0] = '\0';
	text_addf(&t, "%s", text);
	must(t.length < room && strlen(t.data) == t.length && t.is_cut == (whole >= room));
	must(memcmp(t.data, text, t.length) == 0);
	must(t.is_cut ? t.length + 5 >= room : t.length == whole);
	if (text_is_utf8(text, whole))
		must(text_is_utf8(t.data, t.length));

	t = (struct text){.data = t.data, .size = room};
	t.data[0] = '\0';
	for (size_t i = 0; i < 3; i++)
		text_add_bytes(&t, data, length);
	must(t.length < room && t.data[t.length] == '\0' && t.is_cut == (3 * length >= room));
	free(t.data);
}

static void check_escapes(const char *text, const char *data, size_t length) {
	char *buffer = malloc(strlen(text) + 1), *escaped = malloc(4 * length + 1);
	char *plain = malloc(4 * length + 1);
	ssize_t n;

	must(buffer && escaped && plain);
	n = text_unescape(buffer, text);
	must(n == -EINVAL || (n >= 0 && (size_t)n <= strlen(text) && buffer[n] == '\0'));
	must(strchr(text, '\\') || ((size_t)n == strlen(text) && strcmp(buffer, text) == 0));
	for (size_t i = 0; i < length; i++)
		sprintf(escaped + 4 * i, i % 2 ? "\\x%02x" : "\\%03o", (unsigned char)data[i]);
	escaped[4 * length] = '\0';
	must(text_unescape(plain, escaped) == (ssize_t)length && memcmp(plain, data, length) == 0);
	free(buffer);
	free(escaped);
	free(plain);
}

/* As strtoull(3) reads it, where it is nothing but digits. */
static void check_number(const char *text) {
	bool has_sign = *text == '-' || *text == '+';
	bool is_number = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
	unsigned long long expected;
	uint64_t number = 42;
	int64_t signed_number;
	int r = text_parse_u64(text, 5, UINT64_MAX, &number);

	errno = 0;
	expected = strtoull(text, NULL, 10);
	if (!is_number)
		must(r == -EINVAL);
	else if (errno == ERANGE || expected < 5)
		must(r == -ERANGE && number == 42);
	else
		must(r == 0 && number == expected);

	r = text_parse_i64(text, INT64_MIN, INT64_MAX, &signed_number);
	must((r == -EINVAL) ==
	     (text[has_sign] == '\0' || text[has_sign + strspn(text + has_sign, "0123456789")]));
	if (r == 0)
		must(signed_number == strtoll(text, NULL, 10));
}

static void check_signal(const char *text) {
	char name[SIGNAL_STR_MAX];
	int number, again;

	if (text_parse_signal(text, &number) < 0)
		return;
	must(number >= 1 && number <= SIGRTMAX);
	must(text_parse_signal(signal_str(name, number), &again) == 0 && again == number);
}

static void check_quoted(const char *text) {
	char quoted[OPT_QUOTED_MAX];
	size_t length = strlen(opt_quoted(quoted, text));

	must(length >= 2 && length < sizeof(quoted) && fuzz_is_clean(quoted, length));
	must(quoted[0] == '\'');
	/* A short one is all there. */
	must(length >= 16 || quoted[length - 1] == '\'');
	if (fuzz_is_clean(text, strlen(text)) && strlen(text) < 100)
		must(length == strlen(text) + 2 && memcmp(quoted + 1, text, length - 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *bytes, *text;
	size_t room;

	if (size < 1)
		return 0;
	room = (size_t)data[0] + 1;
	data++, size--;
	bytes = fuzz_bytes(data, size);
	text = fuzz_text(data, size);
	check_clean(bytes, size, room);
	check_cut(bytes, size, room);
	check_add(text, bytes, size, room);
	check_escapes(text, bytes, size);
	check_number(text);
	check_signal(text);
	check_quoted(text);
	free(bytes);
	free(text);
	return 0;
}
