/* SPDX-License-Identifier: MIT */
#include "base/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Behind a bracket expression that begins at @p; a backslash is none of its kind in there. */
static const char *skip_bracket(const char *p) {
	p += p[1] == '^' ? 2 : 1;
	if (*p == ']')
		p++;
	while (*p != '\0' && *p != ']') {
		const char close[] = {p[1], ']', '\0'}, *end = NULL;

		if (*p == '[' && p[1] != '\0' && strchr(".:=", p[1]))
			end = strstr(p + 2, close);
		p = end ? end + 2 : p + 1;
	}
	return *p == ']' ? p + 1 : p;
}

/* \1 and its like are no part of POSIX, but libc takes them, and may need for ever to match. */
static bool has_back_reference(const char *p) {
	while (*p != '\0') {
		if (*p == '[') {
			p = skip_bracket(p);
		} else if (*p == '\\' && p[1] != '\0') {
			if (p[1] >= '1' && p[1] <= '9')
				return true;
			p += 2;
		} else {
			p++;
		}
	}
	return false;
}

int match_new(const char *pattern, regex_t **ret, struct text *error) {
	char reason[128], quoted[OPT_QUOTED_MAX];
	regex_t *re;
	int r;

	if (*pattern == '\0') {
		text_add(error, "is empty");
		return -EINVAL;
	}
	if (has_back_reference(pattern)) {
		text_addf(error, "%s has a back-reference, which may take for ever to match",
			  opt_quoted(quoted, pattern));
		return -EINVAL;
	}
	re = calloc(1, sizeof(*re));
	if (!re) {
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	r = regcomp(re, pattern, REG_EXTENDED | REG_NEWLINE);
	if (r != 0) {
		regerror(r, re, reason, sizeof(reason));
		text_addf(error, "%s is no regular expression: %s", opt_quoted(quoted, pattern),
			  reason);
		free(re);
		return r == REG_ESPACE ? -ENOMEM : -EINVAL;
	}
	*ret = re;
	return 0;
}

void match_free(regex_t *re) {
	if (!re)
		return;
	regfree(re);
	free(re);
}

static int find(const regex_t *re, const char *data, size_t length, int flags) {
	regmatch_t where = {.rm_so = 0, .rm_eo = (regoff_t)length};
	int r = regexec(re, data, 1, &where, REG_STARTEND | flags);

	return r == 0 ? 1 : r == REG_NOMATCH ? 0 : -ENOMEM;
}

int match_bytes(const regex_t *re, const char *data, size_t length) {
	return find(re, data, length, 0);
}

int match_begun(const regex_t *re, const char *data, size_t length) {
	return find(re, data, length, REG_NOTEOL);
}

int match_parse(const struct opt *o, const char *value, void *field, struct text *error) {
	regex_t **re = field, *parsed;
	int r = match_new(value, &parsed, error);

	if (r < 0)
		return r;
	match_free(*re);
	*re = parsed;
	return 0;
}
