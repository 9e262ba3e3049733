/* SPDX-License-Identifier: MIT */
#include "base/match.h"

#include <errno.h>
#include <regex.h>
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

/* \1 and its like are no part of POSIX, but libc takes them; who matches them may need for ever. */
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

/* libc has words for what is wrong with @source. */
static void explain(const char *source, struct text *error) {
	char reason[128], quoted[OPT_QUOTED_MAX];
	regex_t re;
	int r = regcomp(&re, source, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);

	if (r == 0) {
		regfree(&re);
		text_addf(error, "%s is a regular expression that is not known here",
			  opt_quoted(quoted, source));
		return;
	}
	regerror(r, &re, reason, sizeof(reason));
	text_addf(error, "%s is no regular expression: %s", opt_quoted(quoted, source), reason);
}

int match_new(const char *source, struct pattern **ret, struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	int r;

	if (*source == '\0') {
		text_add(error, "is empty");
		return -EINVAL;
	}
	if (has_back_reference(source)) {
		text_addf(error, "%s has a back-reference, which may take for ever to match",
			  opt_quoted(quoted, source));
		return -EINVAL;
	}
	r = pattern_new(source, ret);
	if (r == -EINVAL)
		explain(source, error);
	else if (r == -E2BIG)
		text_addf(error, "%s is too large to match quickly (more than %d steps)",
			  opt_quoted(quoted, source), PATTERN_STEPS_MAX);
	else if (r < 0)
		text_add(error, "out of memory");
	return r;
}

bool match_bytes(const struct pattern *p, const char *data, size_t length) {
	return pattern_find(p, data, length, false);
}

bool match_begun(const struct pattern *p, const char *data, size_t length) {
	return pattern_find(p, data, length, true);
}

int match_parse(const struct opt *o, const char *value, void *field, struct text *error) {
	struct pattern **kept = field, *parsed;
	int r = match_new(value, &parsed, error);

	if (r < 0)
		return r;
	pattern_free(*kept);
	*kept = parsed;
	return 0;
}
