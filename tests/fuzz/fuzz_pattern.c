/* SPDX-License-Identifier: MIT */
/*
 * The first byte: bit 0 the data may go on. Then a regular expression up to a NUL byte, and data.
 * What the expression matches must be what regexec(3) says.
 *
 * Of a group that is repeated, glibc forgets in the repetitions where it must stand: to it
 * "(a$){2}" is in "aa". Such a match may be missing here.
 */
#include <errno.h>
#include <regex.h>

#include "base/match.h"

#include "fuzz.h"

/* For libc some take for ever, to compile too: most are left out here, and -fork=1
 * -ignore_timeouts=1 goes on behind the others. */
#define SOURCE_MAX 60
#define DATA_MAX 200
#define INTERVALS_MAX 1
#define DIGITS_MAX 1
#define REPEATS_MAX 2

static bool is_dear(const char *source) {
	size_t n_intervals = 0, n_groups = 0, n_digits = 0;

	for (const char *p = source; *p != '\0'; p++) {
		n_intervals += *p == '{' || *p == '+';
		n_groups += *p == '(';
		n_digits = *p >= '0' && *p <= '9' ? n_digits + 1 : 0;
		if (n_digits > DIGITS_MAX || strspn(p, "*+?") > REPEATS_MAX)
			return true;
	}
	return n_intervals > INTERVALS_MAX || n_groups > 2;
}

/* To glibc "a{\,3}" is "a{,3}". */
static bool has_odd_interval(const char *source) {
	for (const char *p = strchr(source, '{'); p; p = strchr(p + 1, '{'))
		if (p[1 + strspn(p + 1, "0123456789,")] == '\\')
			return true;
	return false;
}

static bool has_repeated_place(const char *source) {
	return strpbrk(source, "{+") && strpbrk(source, "^$\\");
}

static bool is_one_for_libc(const char *source) {
	regex_t re;
	int r = regcomp(&re, source, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);

	if (r == 0)
		regfree(&re);
	return r == 0;
}

static bool libc_finds(const char *source, const char *data, size_t length, bool may_go_on) {
	regmatch_t where = {.rm_so = 0, .rm_eo = (regoff_t)length};
	regex_t re;
	int r;

	must(regcomp(&re, source, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) == 0);
	r = regexec(&re, data, 1, &where, REG_STARTEND | (may_go_on ? REG_NOTEOL : 0));
	regfree(&re);
	must(r == 0 || r == REG_NOMATCH);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char reason[256], source[SOURCE_MAX + 2] = "", text[DATA_MAX + 1] = "";
	struct text error = TEXT_OVER(reason);
	struct pattern *p;
	size_t length;
	char *exact;
	bool may_go_on, is_found, is_libc_right;
	int r;

	if (size < 2)
		return 0;
	may_go_on = data[0] & 1;
	data++, size--;
	length = strnlen((const char *)data, size);
	if (length > SOURCE_MAX)
		return 0;
	memcpy(source, data, length);
	length = MIN(length + 1, size);
	data += length, size -= length;
	length = MIN(size, (size_t)DATA_MAX);
	memcpy(text, data, length);
	if (is_dear(source) || has_odd_interval(source))
		return 0;

	r = match_new(source, &p, &error);
	if (r < 0) {
		must(r == -E2BIG || r == -EINVAL);
		must(r != -EINVAL || strstr(reason, "back-reference") || *source == '\0' ||
		     !is_one_for_libc(source));
		return 0;
	}
	/* Reading one byte too far is seen. */
	exact = malloc(length > 0 ? length : 1);
	must(exact != NULL);
	memcpy(exact, text, length);
	is_found = may_go_on ? match_begun(p, exact, length) : match_bytes(p, exact, length);
	is_libc_right = libc_finds(source, text, length, may_go_on) == is_found;
	must(is_libc_right || (!is_found && has_repeated_place(source)));
	free(exact);
	pattern_free(p);
	return 0;
}
