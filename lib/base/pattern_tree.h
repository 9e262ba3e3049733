/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* What a regular expression says, as a tree. Between pattern.c and its parser. */

/* One pattern has at most so many steps (base/pattern.h); what is read of it may be a little more.
 */
#define PATTERN_NODES_MAX 2000
#define PATTERN_SETS_MAX 500

enum pattern_kind {
	PATTERN_NOTHING, /* matches where there is nothing */
	PATTERN_BYTE,    /* one byte of set */
	PATTERN_PLACE,   /* nothing, at place */
	PATTERN_BOTH,    /* left, then right */
	PATTERN_EITHER,  /* left or right */
	PATTERN_REPEAT,  /* left, from minimum to maximum times */
};

enum pattern_place {
	PLACE_LINE_BEGIN,
	PLACE_LINE_END,
	PLACE_DATA_BEGIN,
	PLACE_DATA_END,
	PLACE_WORD_BEGIN,
	PLACE_WORD_END,
	PLACE_WORD_EDGE,
	PLACE_NO_WORD_EDGE,
};

#define PATTERN_NO_MAXIMUM UINT16_MAX

struct pattern_node {
	enum pattern_kind kind;
	enum pattern_place place;
	uint16_t set;
	uint16_t left, right; /* indices of nodes */
	uint16_t minimum, maximum;
};

/* Which bytes. */
struct pattern_set {
	uint8_t bits[256 / 8];
};

struct pattern_tree {
	size_t n_nodes, n_sets;
	const char *problem; /* what is malformed or too large, static */
	struct pattern_node nodes[PATTERN_NODES_MAX];
	struct pattern_set sets[PATTERN_SETS_MAX];
};

/*
 * Reads @source into @tree. Returns the index of the uppermost node, -EINVAL (malformed, or with a
 * back-reference: problem says so), or -E2BIG (problem says of what, NULL: steps).
 */
int pattern_tree_parse(struct pattern_tree *tree, const char *source);
