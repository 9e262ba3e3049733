/* SPDX-License-Identifier: MIT */
#include "base/optab.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"

const struct opt *opt_find(const struct opt *table, const char *name) {
	for (const struct opt *o = table; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const char *opt_quoted(char buffer[static OPT_QUOTED_MAX], const char *value) {
	struct text t = {.data = buffer, .size = OPT_QUOTED_MAX};
	/* Two quotes, three dots and the NUL stand beside the value. */
	size_t length = strlen(value), most = OPT_QUOTED_MAX - 6;
	size_t shown = length > most ? text_utf8_cut(value, length, most) : length;
	size_t lead = strspn(value, " "), trail = 0;
	char clean[OPT_QUOTED_MAX];

	if (lead > shown)
		lead = shown;
	while (lead + trail < shown && value[shown - trail - 1] == ' ')
		trail++;
	/* Blanks at the ends are often the very mistake, and text_clean() would hide them. */
	text_clean(clean, sizeof(clean), value, shown);
	text_addf(&t, "'%*s%s%*s%s'", (int)lead, "", clean, (int)trail, "",
		  shown < length ? "..." : "");
	return buffer;
}

static int refuse(struct text *error, const char *value, const char *reason, int code) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return code;
}

int opt_parse_flag(const struct opt *o, const char *value, void *field, struct text *error) {
	static const char *const yes[] = {"yes", "true", "1", "on"};
	static const char *const no[] = {"no", "false", "0", "off"};
	bool *flag = field;

	if (!value) {
		*flag = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*flag = strcmp(value, yes[i]) == 0;
			return 0;
		}
	}
	return refuse(error, value, "is not yes or no", -EINVAL);
}

int opt_parse_duration(const struct opt *o, const char *value, void *field, struct text *error) {
	char low[USEC_STR_MAX], high[USEC_STR_MAX];
	usec_t usec;
	int r;

	r = usec_parse(value, &usec);
	if (r == -EINVAL)
		return refuse(error, value, "is not a duration (like 500ms, 10s or 1min 30s)", r);
	if (r == 0 && usec >= o->minimum && (o->maximum == 0 || usec <= o->maximum)) {
		*(usec_t *)field = usec;
		return 0;
	}

	refuse(error, value, "is out of range", -ERANGE);
	if (o->maximum != 0)
		text_addf(error, " (%s-%s)", usec_str(low, o->minimum), usec_str(high, o->maximum));
	else if (o->minimum != 0 && r == 0)
		text_addf(error, " (%s or more)", usec_str(low, o->minimum));
	return -ERANGE;
}

int opt_parse_unsigned(const struct opt *o, const char *value, void *field, struct text *error) {
	uint64_t number;
	int r;

	r = text_parse_u64(value, o->minimum, o->maximum, &number);
	if (r == -ERANGE) {
		refuse(error, value, "is out of range", r);
		text_addf(error, " (%" PRIu64 "-%" PRIu64 ")", o->minimum, o->maximum);
		return r;
	}
	if (r < 0)
		return refuse(error, value, "is not a number", r);
	*(unsigned *)field = (unsigned)number;
	return 0;
}

int opt_parse_integer(const struct opt *o, const char *value, void *field, struct text *error) {
	int64_t minimum = (int64_t)o->minimum, maximum = (int64_t)o->maximum, number;
	int r;

	r = text_parse_i64(value, minimum, maximum, &number);
	if (r == -ERANGE) {
		refuse(error, value, "is out of range", r);
		/* "-20-19" would be hard to read. */
		text_addf(error,
			  minimum < 0 ? " (%" PRId64 " to %" PRId64 ")"
				      : " (%" PRId64 "-%" PRId64 ")",
			  minimum, maximum);
		return r;
	}
	if (r < 0)
		return refuse(error, value, "is not a number", r);
	*(int *)field = (int)number;
	return 0;
}

int opt_parse_string(const struct opt *o, const char *value, void *field, struct text *error) {
	char **string = field, *copy;

	if (*value == '\0')
		return refuse(error, value, "is empty", -EINVAL);
	copy = strdup(value);
	if (!copy)
		return refuse(error, value, "does not fit into memory", -ENOMEM);
	free(*string);
	*string = copy;
	return 0;
}

/* The word of @length bytes at @text, or NULL with the reason in @error. */
static const struct opt_word *word_find(const struct opt *o, const char *text, size_t length,
					struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	char *copy;

	for (const struct opt_word *w = o->words; w->word; w++)
		if (strlen(w->word) == length && memcmp(w->word, text, length) == 0)
			return w;

	copy = strndup(text, length);
	text_addf(error, "%s is not one of", opt_quoted(quoted, copy ? copy : ""));
	free(copy);
	for (const struct opt_word *w = o->words; w->word; w++)
		text_addf(error, "%s %s", w == o->words ? "" : ",", w->word);
	return NULL;
}

int opt_parse_word(const struct opt *o, const char *value, void *field, struct text *error) {
	const struct opt_word *w = word_find(o, value, strlen(value), error);

	if (!w)
		return -EINVAL;
	*(int *)field = w->value;
	return 0;
}

int opt_parse_words(const struct opt *o, const char *value, void *field, struct text *error) {
	unsigned bits = 0;

	for (const char *p = value;; p++) {
		size_t length = strcspn(p, ",");
		const struct opt_word *w = word_find(o, p, length, error);

		if (!w)
			return -EINVAL;
		bits |= 1U << w->value;
		p += length;
		if (*p == '\0')
			break;
	}
	*(unsigned *)field = bits;
	return 0;
}

int opt_parse_signal(const struct opt *o, const char *value, void *field, struct text *error) {
	int number;
	int r;

	r = text_parse_signal(value, &number);
	if (r < 0)
		return refuse(error, value, "is not a signal", r);
	*(int *)field = number;
	return 0;
}

void opt_add_word(struct text *words, const char *name, const char *value) {
	text_add(words, name);
	if (value) {
		text_add(words, "=");
		text_add(words, value);
	}
	text_add_bytes(words, "", 1);
}
