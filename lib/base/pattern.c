/* SPDX-License-Identifier: MIT */
/*
 * A pattern is made into a machine whose steps are walked all at once, one byte of data after the
 * other (K. Thompson, "Regular Expression Search Algorithm", CACM 11:6, 1968). At each byte, each
 * step is looked at once at most, so the time is bounded by bytes times steps.
 *
 * regexec(3) of glibc tries each place of the data anew, which makes "a.*b" on 10 KiB without a "b"
 * fifty million steps; and it keeps each set of steps that it comes upon for ever, of which there
 * may be exponentially many, each made with much work. What is matched here was said by a peer that
 * may be hostile, and who waits meanwhile has a watchdog to feed.
 */
#include "base/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern_tree.h"

enum step_kind {
	STEP_END,   /* it matches */
	STEP_BYTE,  /* to next with a byte of set */
	STEP_PLACE, /* to next where place is */
	STEP_FORK,  /* to next and to other */
};

struct step {
	uint8_t kind;
	uint8_t place;
	uint16_t set;
	uint16_t next, other;
};

struct pattern {
	size_t n_steps;
	uint16_t first;
	struct pattern_set *sets;
	struct step steps[];
};

/* Making it ----------------------------------------------------------------------------------- */

/* Steps are made from the pattern's end to its beginning: what is next is there already. */
struct maker {
	struct pattern *pattern;
	const struct pattern_tree *tree;
	bool is_full; /* -E2BIG; then all indices are 0, and nothing more is made */
};

static uint16_t make(struct maker *m, unsigned node, uint16_t next);

static uint16_t add_step(struct maker *m, const struct step *step) {
	struct pattern *p = m->pattern;

	if (m->is_full || p->n_steps == PATTERN_STEPS_MAX) {
		m->is_full = true;
		return 0;
	}
	p->steps[p->n_steps] = *step;
	return (uint16_t)p->n_steps++;
}

static uint16_t add_fork(struct maker *m, uint16_t other) {
	return add_step(m, &(struct step){.kind = STEP_FORK, .next = other, .other = other});
}

/* As often as one likes. */
static uint16_t make_loop(struct maker *m, unsigned node, uint16_t next) {
	uint16_t fork = add_fork(m, next), body = make(m, node, fork);

	if (!m->is_full)
		m->pattern->steps[fork].next = body;
	return fork;
}

static uint16_t make_repeat(struct maker *m, const struct pattern_node *n, uint16_t next) {
	uint16_t entry = next, fork, before;

	if (n->maximum == PATTERN_NO_MAXIMUM)
		entry = make_loop(m, n->left, next);
	else
		for (unsigned i = n->minimum; i < n->maximum && !m->is_full; i++) {
			fork = add_fork(m, next);
			before = make(m, n->left, entry);
			if (!m->is_full)
				m->pattern->steps[fork].next = before;
			entry = fork;
		}
	for (unsigned i = 0; i < n->minimum && !m->is_full; i++) {
		before = entry;
		entry = make(m, n->left, before);
		/* There is nothing in it that could be repeated. */
		if (entry == before)
			break;
	}
	return entry;
}

/* The entry to what matches as @node says, and then goes on at @next. */
static uint16_t make(struct maker *m, unsigned node, uint16_t next) {
	const struct pattern_node *n = &m->tree->nodes[node];
	uint16_t fork, entry;

	for (; n->kind == PATTERN_BOTH; n = &m->tree->nodes[n->left])
		next = make(m, n->right, next);
	switch (m->is_full ? PATTERN_NOTHING : n->kind) {
	case PATTERN_BYTE:
		return add_step(m, &(struct step){.kind = STEP_BYTE, .set = n->set, .next = next});
	case PATTERN_PLACE:
		return add_step(m, &(struct step){.kind = STEP_PLACE,
						  .place = (uint8_t)n->place,
						  .next = next});
	case PATTERN_EITHER:
		fork = add_fork(m, next);
		entry = make(m, n->left, next);
		next = make(m, n->right, next);
		if (!m->is_full) {
			m->pattern->steps[fork].next = entry;
			m->pattern->steps[fork].other = next;
		}
		return fork;
	case PATTERN_REPEAT:
		return make_repeat(m, n, next);
	default:
		return next;
	}
}

static int make_all(struct pattern *p, struct pattern_tree *tree, const char *source) {
	struct maker m = {.pattern = p, .tree = tree};
	int node = pattern_tree_parse(tree, source);
	uint16_t end;

	if (node < 0)
		return node;
	p->sets = malloc(MAX(tree->n_sets, (size_t)1) * sizeof(*p->sets));
	if (!p->sets)
		return -ENOMEM;
	memcpy(p->sets, tree->sets, tree->n_sets * sizeof(*p->sets));
	end = add_step(&m, &(struct step){.kind = STEP_END});
	p->first = make(&m, (unsigned)node, end);
	return m.is_full ? -E2BIG : 0;
}

int pattern_new(const char *source, struct pattern **ret, const char **problem) {
	struct pattern_tree *tree = malloc(sizeof(*tree));
	struct pattern *p = calloc(1, sizeof(*p) + PATTERN_STEPS_MAX * sizeof(struct step)),
		       *fitted;
	int r = tree && p ? make_all(p, tree, source) : -ENOMEM;

	if (r == -EINVAL || r == -E2BIG)
		*problem = tree->problem;
	free(tree);
	if (r < 0) {
		pattern_free(p);
		return r;
	}
	fitted = realloc(p, sizeof(*p) + p->n_steps * sizeof(struct step));
	if (fitted)
		p = fitted;
	*ret = p;
	return 0;
}

void pattern_free(struct pattern *p) {
	if (p)
		free(p->sets);
	free(p);
}

/* Walking it ---------------------------------------------------------------------------------- */

struct walk {
	const struct pattern *pattern;
	const unsigned char *data;
	size_t length, at;
	bool may_go_on;
	/* Steps that wait for the byte at hand. */
	uint16_t *waiting;
	size_t n_waiting;
	/* Where each step was seen last: 1 + the place in the data. */
	uint32_t seen[PATTERN_STEPS_MAX];
	/* To be looked at. */
	uint16_t stack[PATTERN_STEPS_MAX];
	size_t n_stack;
};

static bool is_word(const struct walk *w, size_t at) {
	return at < w->length && (isalnum(w->data[at]) || w->data[at] == '_');
}

static bool is_place(const struct walk *w, enum pattern_place place) {
	const size_t at = w->at;
	bool is_after_word = at > 0 && is_word(w, at - 1);

	switch (place) {
	case PLACE_LINE_BEGIN:
		return at == 0 || w->data[at - 1] == '\n';
	case PLACE_LINE_END:
		return at == w->length ? !w->may_go_on : w->data[at] == '\n';
	case PLACE_DATA_BEGIN:
		return at == 0;
	case PLACE_DATA_END:
		return at == w->length;
	case PLACE_WORD_BEGIN:
		return !is_after_word && is_word(w, at);
	case PLACE_WORD_END:
		return is_after_word && !is_word(w, at);
	case PLACE_WORD_EDGE:
		return is_after_word != is_word(w, at);
	default:
		return is_after_word == is_word(w, at);
	}
}

/* Each step once for each place: so there is room for all. */
static void look_at(struct walk *w, uint16_t index) {
	if (w->seen[index] == w->at + 1)
		return;
	w->seen[index] = (uint32_t)w->at + 1;
	if (w->pattern->steps[index].kind == STEP_BYTE)
		w->waiting[w->n_waiting++] = index;
	else
		w->stack[w->n_stack++] = index;
}

/* Goes from @index as far as no byte is needed. True: to the end. */
static bool go(struct walk *w, uint16_t index) {
	look_at(w, index);
	while (w->n_stack > 0) {
		const struct step *s = &w->pattern->steps[w->stack[--w->n_stack]];

		if (s->kind == STEP_END)
			return true;
		if (s->kind == STEP_FORK)
			look_at(w, s->other);
		if (s->kind == STEP_FORK || is_place(w, s->place))
			look_at(w, s->next);
	}
	return false;
}

/* Takes the byte before this place with those that @waited for it. As go(). */
static bool take_byte(struct walk *w, const uint16_t *waited, size_t n_waited) {
	const unsigned char byte = w->data[w->at - 1];

	for (size_t i = 0; i < n_waited; i++) {
		const struct step *s = &w->pattern->steps[waited[i]];

		if ((w->pattern->sets[s->set].bits[byte / 8] >> byte % 8 & 1) && go(w, s->next))
			return true;
	}
	return false;
}

bool pattern_find(const struct pattern *p, const char *data, size_t length, bool may_go_on) {
	uint16_t lists[2][PATTERN_STEPS_MAX];
	struct walk w;
	size_t n_waited;

	assert(length < UINT32_MAX);
	w.pattern = p;
	w.data = (const unsigned char *)data;
	w.length = length;
	w.may_go_on = may_go_on;
	w.n_waiting = w.n_stack = 0;
	memset(w.seen, 0, p->n_steps * sizeof(w.seen[0]));
	for (w.at = 0; w.at <= length; w.at++) {
		n_waited = w.n_waiting;
		w.n_waiting = 0;
		w.waiting = lists[w.at % 2];
		if (n_waited > 0 && take_byte(&w, lists[(w.at + 1) % 2], n_waited))
			return true;
		/* A match may begin anywhere. */
		if (go(&w, p->first))
			return true;
	}
	return false;
}
