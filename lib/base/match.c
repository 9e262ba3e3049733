/* SPDX-License-Identifier: MIT */
#include "base/match.h"

#include <errno.h>
#include <stdlib.h>

int match_new(const char *pattern, regex_t **ret, struct text *error) {
	char reason[128], quoted[OPT_QUOTED_MAX];
	regex_t *re;
	int r;

	if (*pattern == '\0') {
		text_add(error, "is empty");
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

int match_bytes(const regex_t *re, const char *data, size_t length) {
	regmatch_t where = {.rm_so = 0, .rm_eo = (regoff_t)length};
	int r = regexec(re, data, 1, &where, REG_STARTEND);

	return r == 0 ? 1 : r == REG_NOMATCH ? 0 : -ENOMEM;
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
