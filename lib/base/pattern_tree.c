/* SPDX-License-Identifier: MIT */
/*
 * Extended regular expressions as POSIX.1-2017 section 9.4 has them and glibc reads them: also with
 * \w \W \s \S \b \B \< \> \` and \'; a ')' that closes nothing stands for itself; a backslash in a
 * bracket expression does too. In the C locale: a byte is a character.
 */
#include "base/pattern_tree.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Of parentheses, and of what repeats: each is a few frames on the stack. */
#define DEPTH_MAX 100
#define REPEATS_MAX 500
#define REPEAT_MAX 0x7fff /* as RE_DUP_MAX is with glibc */

struct parser {
	struct pattern_tree *tree;
	const char *at;
	unsigned depth, n_repeats;
};

static int malformed(struct parser *p, const char *problem) {
	p->tree->problem = problem;
	return -EINVAL;
}

/* Nodes and sets ------------------------------------------------------------------------------ */

static int add_node(struct parser *p, const struct pattern_node *node) {
	struct pattern_tree *t = p->tree;

	if (t->n_nodes == ARRAY_SIZE(t->nodes))
		return -E2BIG;
	t->nodes[t->n_nodes] = *node;
	return (int)t->n_nodes++;
}

static int add_pair(struct parser *p, enum pattern_kind kind, int left, int right) {
	return add_node(p, &(struct pattern_node){
				   .kind = kind,
				   .left = (uint16_t)left,
				   .right = (uint16_t)right,
			   });
}

static int add_place(struct parser *p, enum pattern_place place) {
	return add_node(p, &(struct pattern_node){.kind = PATTERN_PLACE, .place = place});
}

static int add_set(struct parser *p, const struct pattern_set *set) {
	struct pattern_tree *t = p->tree;

	if (t->n_sets == ARRAY_SIZE(t->sets))
		return -E2BIG;
	t->sets[t->n_sets] = *set;
	return add_node(p, &(struct pattern_node){
				   .kind = PATTERN_BYTE,
				   .set = (uint16_t)t->n_sets++,
			   });
}

static void set_add(struct pattern_set *s, unsigned char byte) {
	s->bits[byte / 8] |= (uint8_t)(1 << byte % 8);
}

static void set_remove(struct pattern_set *s, unsigned char byte) {
	s->bits[byte / 8] &= (uint8_t) ~(1 << byte % 8);
}

static void set_invert(struct pattern_set *s) {
	for (size_t i = 0; i < sizeof(s->bits); i++)
		s->bits[i] ^= 0xff;
}

static void set_add_class(struct pattern_set *s, int (*is_member)(int)) {
	for (int byte = 0; byte < 256; byte++)
		if (is_member(byte))
			set_add(s, (unsigned char)byte);
}

static int add_byte(struct parser *p, char byte) {
	struct pattern_set s = {0};

	set_add(&s, (unsigned char)byte);
	return add_set(p, &s);
}

/* Bracket expressions ------------------------------------------------------------------------- */

static bool add_named_class(struct pattern_set *s, const char *name, size_t length) {
	static const struct {
		const char *name;
		int (*is_member)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
		{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
		{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strlen(classes[i].name) == length &&
		    memcmp(classes[i].name, name, length) == 0) {
			set_add_class(s, classes[i].is_member);
			return true;
		}
	return false;
}

/*
 * One element: a byte, [.x.], [=x=] or [:class:]. Returns 1 with *@ret_byte, which may begin or end
 * a range; 0 (it was added to @s, and may not), or -EINVAL.
 */
static int take_element(struct parser *p, struct pattern_set *s, unsigned char *ret_byte) {
	const char *name = p->at + 2;
	char kind = p->at[0] == '[' ? p->at[1] : '\0';
	const char close[] = {kind, ']', '\0'}, *end;

	if (kind == '\0' || !strchr(".=:", kind)) {
		if (*p->at == '\0')
			return malformed(p, "'[' without ']'");
		*ret_byte = (unsigned char)*p->at++;
		return 1;
	}
	/* "[...]" and "[:]...": what closes may be the name. */
	end = *name != '\0' ? strstr(kind == ':' ? name : name + 1, close) : NULL;
	if (!end)
		return malformed(p, "'[' without ']'");
	p->at = end + 2;
	if (kind == ':')
		return add_named_class(s, name, (size_t)(end - name))
			       ? 0
			       : malformed(p, "unknown class of characters");
	if (end - name != 1)
		return malformed(p, "more than one character in [. .] or [= =]");
	*ret_byte = (unsigned char)*name;
	if (kind == '.')
		return 1;
	set_add(s, *ret_byte);
	return 0;
}

/* An element, or two with a '-' between; any other '-' is the first or the last. */
static int take_range(struct parser *p, struct pattern_set *s, bool is_first) {
	static const char invalid_range[] = "invalid range in []";
	unsigned char first = 0, last = 0;
	int r;

	if (!is_first && p->at[0] == '-' && p->at[1] != ']')
		return malformed(p, invalid_range);
	r = take_element(p, s, &first);
	if (r < 0)
		return r;
	if (p->at[0] != '-' || p->at[1] == ']') {
		if (r > 0)
			set_add(s, first);
		return 0;
	}
	p->at++;
	if (r == 0)
		return malformed(p, invalid_range);
	r = take_element(p, s, &last);
	if (r < 0)
		return r;
	if (r == 0 || first > last)
		return malformed(p, invalid_range);
	for (unsigned byte = first; byte <= last; byte++)
		set_add(s, (unsigned char)byte);
	return 0;
}

/* Behind the '['. */
static int parse_bracket(struct parser *p) {
	struct pattern_set s = {0};
	bool is_inverted = *p->at == '^', is_first = true;
	int r;

	if (is_inverted)
		p->at++;
	for (; is_first || *p->at != ']'; is_first = false) {
		r = take_range(p, &s, is_first);
		if (r < 0)
			return r;
	}
	p->at++;
	if (is_inverted) {
		set_invert(&s);
		set_remove(&s, '\n');
	}
	return add_set(p, &s);
}

/* The rest ------------------------------------------------------------------------------------ */

static int parse_alternatives(struct parser *p);

/* @is_member, or with @is_inverted what is not; a newline too. */
static int add_escaped_class(struct parser *p, int (*is_member)(int), const char *more,
			     bool is_inverted) {
	struct pattern_set s = {0};

	set_add_class(&s, is_member);
	for (; *more != '\0'; more++)
		set_add(&s, (unsigned char)*more);
	if (is_inverted)
		set_invert(&s);
	return add_set(p, &s);
}

/* Behind the backslash. */
static int parse_escape(struct parser *p) {
	char c = *p->at;

	if (c == '\0')
		return malformed(p, "'\\' at the end");
	if (c >= '1' && c <= '9')
		return malformed(p, "it has a back-reference, which may take for ever to match");
	p->at++;
	switch (c) {
	case 'w':
	case 'W':
		return add_escaped_class(p, isalnum, "_", c == 'W');
	case 's':
	case 'S':
		return add_escaped_class(p, isspace, "", c == 'S');
	case 'b':
		return add_place(p, PLACE_WORD_EDGE);
	case 'B':
		return add_place(p, PLACE_NO_WORD_EDGE);
	case '<':
		return add_place(p, PLACE_WORD_BEGIN);
	case '>':
		return add_place(p, PLACE_WORD_END);
	case '`':
		return add_place(p, PLACE_DATA_BEGIN);
	case '\'':
		return add_place(p, PLACE_DATA_END);
	default:
		return add_byte(p, c);
	}
}

static int parse_group(struct parser *p) {
	int node;

	if (p->depth == DEPTH_MAX) {
		p->tree->problem = "more than 100 '(' open"; /* DEPTH_MAX */
		return -E2BIG;
	}
	p->depth++;
	node = parse_alternatives(p);
	p->depth--;
	if (node >= 0 && *p->at++ != ')')
		return malformed(p, "'(' without ')'");
	return node;
}

/* Neither a line end nor NUL. */
static int add_any(struct parser *p) {
	struct pattern_set s = {0};

	set_invert(&s);
	set_remove(&s, '\n');
	set_remove(&s, '\0');
	return add_set(p, &s);
}

static int parse_atom(struct parser *p) {
	char c = *p->at++;

	switch (c) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_bracket(p);
	case '\\':
		return parse_escape(p);
	case '.':
		return add_any(p);
	case '^':
		return add_place(p, PLACE_LINE_BEGIN);
	case '$':
		return add_place(p, PLACE_LINE_END);
	case '*':
	case '+':
	case '?':
	case '{':
		return malformed(p, "nothing to repeat before '*', '+', '?' or '{'");
	default:
		return add_byte(p, c);
	}
}

/* A number of {}, or @fallback where there is none. */
static int take_number(struct parser *p, int fallback) {
	int number = 0;

	if (!isdigit((unsigned char)*p->at))
		return fallback;
	for (; isdigit((unsigned char)*p->at); p->at++) {
		number = number * 10 + (*p->at - '0');
		if (number > REPEAT_MAX)
			return malformed(p, "too large a number in {}");
	}
	return number;
}

/* Behind the '{'. */
static int take_interval(struct parser *p, int *ret_minimum, int *ret_maximum) {
	int minimum, maximum;

	if (*p->at != ',' && !isdigit((unsigned char)*p->at))
		return malformed(p, "no number in {}");
	minimum = maximum = take_number(p, 0);
	if (minimum >= 0 && *p->at == ',') {
		p->at++;
		maximum = take_number(p, PATTERN_NO_MAXIMUM);
	}
	if (maximum < 0)
		return maximum;
	if (*p->at != '}')
		return malformed(p, strchr(p->at, '}') ? "neither one number nor two in {}"
						       : "'{' without '}'");
	p->at++;
	if (maximum < minimum)
		return malformed(p, "the larger number first in {}");
	*ret_minimum = minimum;
	*ret_maximum = maximum;
	return 0;
}

static int parse_piece(struct parser *p) {
	bool is_group = *p->at == '(';
	int node = parse_atom(p), r;

	/* A place cannot be repeated, only a group that is one. */
	if (node < 0 || (!is_group && p->tree->nodes[node].kind == PATTERN_PLACE))
		return node;
	while (*p->at != '\0' && strchr("*+?{", *p->at)) {
		char c = *p->at++;
		int minimum = c == '+', maximum = c == '?' ? 1 : PATTERN_NO_MAXIMUM;

		if (c == '{') {
			r = take_interval(p, &minimum, &maximum);
			if (r < 0)
				return r;
		}
		if (++p->n_repeats > REPEATS_MAX)
			return -E2BIG;
		node = add_node(p, &(struct pattern_node){
					   .kind = PATTERN_REPEAT,
					   .left = (uint16_t)node,
					   .minimum = (uint16_t)minimum,
					   .maximum = (uint16_t)maximum,
				   });
		if (node < 0)
			return node;
	}
	return node;
}

static bool is_branch_over(const struct parser *p) {
	return *p->at == '\0' || *p->at == '|' || (*p->at == ')' && p->depth > 0);
}

static int parse_branch(struct parser *p) {
	int node, right;

	if (is_branch_over(p))
		return add_node(p, &(struct pattern_node){.kind = PATTERN_NOTHING});
	node = parse_piece(p);
	while (node >= 0 && !is_branch_over(p)) {
		right = parse_piece(p);
		node = right < 0 ? right : add_pair(p, PATTERN_BOTH, node, right);
	}
	return node;
}

static int parse_alternatives(struct parser *p) {
	int node = parse_branch(p), right;

	while (node >= 0 && *p->at == '|') {
		p->at++;
		right = parse_branch(p);
		node = right < 0 ? right : add_pair(p, PATTERN_EITHER, node, right);
	}
	return node;
}

int pattern_tree_parse(struct pattern_tree *tree, const char *source) {
	struct parser p = {.tree = tree, .at = source};
	int node;

	tree->n_nodes = tree->n_sets = 0;
	tree->problem = NULL;
	node = parse_alternatives(&p);
	assert(node < 0 || *p.at == '\0');
	return node;
}
