/* SPDX-License-Identifier: MIT */
/*
 * A reader of JSON as RFC 8259 has it, that keeps what a call consists of and walks over the rest.
 * It never looks behind the end that it was given, goes no deeper than VARLINK_DEPTH_MAX, and
 * reads each byte once.
 */
#include "core/varlink.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

struct reader {
	const char *at, *end;
	unsigned depth;
};

static void skip_blanks(struct reader *r) {
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
		r->at++;
}

/* Takes @c, blanks before it left out. */
static bool take(struct reader *r, char c) {
	skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool take_word(struct reader *r, const char *word) {
	size_t length = strlen(word);

	if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
		return false;
	r->at += length;
	return true;
}

/* Four hex digits. */
static bool take_unit(struct reader *r, uint32_t *ret) {
	uint32_t unit = 0;

	if (r->end - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *r->at++;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return false;
		unit = unit << 4 | (uint32_t)digit;
	}
	*ret = unit;
	return true;
}

/* Behind "\u": a character, of two units where it is beyond the first 65536. */
static bool take_character(struct reader *r, struct text *t) {
	uint32_t c, low;
	char utf8[4];
	size_t n = 0;

	if (!take_unit(r, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!take_word(r, "\\u") || !take_unit(r, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c == 0 || (c >= 0xdc00 && c <= 0xdfff)) {
		return false;
	}
	if (c < 0x80) {
		utf8[n++] = (char)c;
	} else {
		int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

		utf8[n++] = (char)((0xf0U << (3 - more) & 0xff) | c >> 6 * more);
		while (more-- > 0)
			utf8[n++] = (char)(0x80 | (c >> 6 * more & 0x3f));
	}
	text_add_bytes(t, utf8, n);
	return true;
}

static bool take_escape(struct reader *r, struct text *t) {
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (r->at == r->end)
		return false;
	if (*r->at == 'u') {
		r->at++;
		return take_character(r, t);
	}
	found = memchr(from, *r->at++, sizeof(from) - 1);
	if (!found)
		return false;
	text_add_bytes(t, &to[found - from], 1);
	return true;
}

/* A string into the @size bytes of @buffer, cut where it does not fit. */
static bool take_string(struct reader *r, char *buffer, size_t size) {
	struct text t = {.data = buffer, .size = size};

	buffer[0] = '\0';
	if (!take(r, '"'))
		return false;
	while (r->at < r->end) {
		const char *begin = r->at;

		while (r->at < r->end && (unsigned char)*r->at >= ' ' && *r->at != '"' &&
		       *r->at != '\\')
			r->at++;
		text_add_bytes(&t, begin, (size_t)(r->at - begin));
		if (r->at == r->end || (unsigned char)*r->at < ' ')
			return false;
		if (*r->at++ == '"')
			return true;
		if (!take_escape(r, &t))
			return false;
	}
	return false;
}

static size_t take_digits(struct reader *r) {
	const char *begin = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - begin);
}

static bool take_number(struct reader *r, struct varlink_parameter *ret) {
	const char *begin = r->at;
	bool is_whole = true;
	char digits[24];
	size_t n;

	(void)take_word(r, "-");
	if (r->at == r->end)
		return false;
	n = *r->at == '0' ? (size_t)(r->at++, 1) : take_digits(r);
	if (n == 0)
		return false;
	if (take_word(r, ".")) {
		is_whole = false;
		if (take_digits(r) == 0)
			return false;
	}
	if (take_word(r, "e") || take_word(r, "E")) {
		is_whole = false;
		if (!take_word(r, "+"))
			(void)take_word(r, "-");
		if (take_digits(r) == 0)
			return false;
	}
	ret->kind = VARLINK_OTHER;
	n = (size_t)(r->at - begin);
	if (!is_whole || n >= sizeof(digits))
		return true;
	memcpy(digits, begin, n);
	digits[n] = '\0';
	if (text_parse_i64(digits, INT64_MIN, INT64_MAX, &ret->number) == 0)
		ret->kind = VARLINK_INT;
	return true;
}

/* What is not an object: *@ret without its name. Arrays may hold objects, and are walked over. */
static int take_value(struct reader *r, struct varlink_parameter *ret);

/*
 * The members of an object or array (@close), each handed to @member, which reads the value, with
 * its name; an array's have none.
 */
static int take_members(struct reader *r, char close, void *context,
			int (*member)(struct reader *r, void *context, const char *name)) {
	char name[VARLINK_NAME_MAX] = "";
	int e;

	if (++r->depth > VARLINK_DEPTH_MAX)
		return -E2BIG;
	if (!take(r, close)) {
		do {
			if (close == '}' && (!take_string(r, name, sizeof(name)) || !take(r, ':')))
				return -EBADMSG;
			e = member(r, context, name);
			if (e < 0)
				return e;
		} while (take(r, ','));
		if (!take(r, close))
			return -EBADMSG;
	}
	r->depth--;
	return 0;
}

static int walk_over(struct reader *r, void *context, const char *name) {
	struct varlink_parameter ignored;

	return take_value(r, &ignored);
}

static int take_value(struct reader *r, struct varlink_parameter *ret) {
	ret->kind = VARLINK_OTHER;
	ret->number = 0;
	ret->text[0] = '\0';
	if (take(r, '{'))
		return take_members(r, '}', NULL, walk_over);
	if (take(r, '['))
		return take_members(r, ']', NULL, walk_over);
	if (r->at < r->end && *r->at == '"') {
		ret->kind = VARLINK_STRING;
		return take_string(r, ret->text, sizeof(ret->text)) ? 0 : -EBADMSG;
	}
	if (take_word(r, "null")) {
		ret->kind = VARLINK_NULL;
		return 0;
	}
	if (take_word(r, "true") || take_word(r, "false")) {
		ret->kind = VARLINK_BOOL;
		ret->number = r->at[-2] == 'u';
		return 0;
	}
	return take_number(r, ret) ? 0 : -EBADMSG;
}

static int take_parameter(struct reader *r, void *context, const char *name) {
	struct varlink_call *c = context;
	struct varlink_parameter *p = NULL;
	size_t length = strlen(name);

	for (size_t i = 0; i < c->n_parameters; i++)
		if (strcmp(c->parameters[i].name, name) == 0)
			p = &c->parameters[i];
	if (!p && c->n_parameters == VARLINK_PARAMETERS_MAX)
		return -E2BIG;
	if (!p)
		p = &c->parameters[c->n_parameters++];
	memcpy(p->name, name, length + 1);
	return take_value(r, p);
}

static int take_member(struct reader *r, void *context, const char *name) {
	struct varlink_call *c = context;
	struct varlink_parameter value;
	bool *flag = strcmp(name, "oneway") == 0    ? &c->is_oneway
		     : strcmp(name, "more") == 0    ? &c->wants_more
		     : strcmp(name, "upgrade") == 0 ? &c->wants_upgrade
						    : NULL;
	int e;

	if (strcmp(name, "method") == 0)
		return take_string(r, c->method, sizeof(c->method)) ? 0 : -EBADMSG;
	if (strcmp(name, "parameters") == 0 && take(r, '{')) {
		c->n_parameters = 0;
		return take_members(r, '}', c, take_parameter);
	}
	e = take_value(r, &value);
	if (e < 0)
		return e;
	if ((strcmp(name, "parameters") == 0 || flag) && value.kind != VARLINK_NULL &&
	    !(flag && value.kind == VARLINK_BOOL))
		return -EBADMSG;
	if (flag)
		*flag = value.number != 0;
	return 0;
}

ptrdiff_t varlink_frame(const char *data, size_t length) {
	const char *end = length > 0 ? memchr(data, '\0', length) : NULL;

	return end ? end - data : -1;
}

int varlink_parse(struct varlink_call *ret, const char *data, size_t length) {
	struct reader r = {.at = data, .end = data + length};
	int e;

	*ret = (struct varlink_call){0};
	if (!text_is_utf8(data, length) || !take(&r, '{'))
		return -EBADMSG;
	e = take_members(&r, '}', ret, take_member);
	if (e < 0)
		return e;
	skip_blanks(&r);
	return r.at == r.end && ret->method[0] != '\0' ? 0 : -EBADMSG;
}

const struct varlink_parameter *varlink_find(const struct varlink_call *c, const char *name) {
	for (size_t i = 0; i < c->n_parameters; i++)
		if (strcmp(c->parameters[i].name, name) == 0)
			return &c->parameters[i];
	return NULL;
}
