/* SPDX-License-Identifier: MIT */
#include "base/match.h"

#include <errno.h>

int match_new(const char *source, struct pattern **ret, struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	const char *problem;
	int r;

	if (*source == '\0') {
		text_add(error, "is empty");
		return -EINVAL;
	}
	r = pattern_new(source, ret, &problem);
	if (r == -EINVAL)
		/* libc's words would need its regcomp(3), which takes all memory for some. */
		text_addf(error, "%s is no regular expression: %s", opt_quoted(quoted, source),
			  problem);
	else if (r == -E2BIG && problem)
		text_addf(error, "%s is too large to match quickly (%s)",
			  opt_quoted(quoted, source), problem);
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
