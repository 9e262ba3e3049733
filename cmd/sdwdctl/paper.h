/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "base/defs.h"

enum ink {
	INK_PLAIN,
	INK_BOLD,
	INK_DIM,
	INK_GOOD,
	INK_WARN,
	INK_BAD,
	INK_NOTE,
};

/* What is written on: a terminal, a pipe, and what it can show. */
struct paper {
	FILE *out;
	unsigned columns; /* of the terminal, 0: no bound is known */
	unsigned lines;   /* the same */
	bool is_cut;      /* lines end at columns, and the table at lines; else they go on */
	bool is_utf8;     /* by the locale; setlocale(3) comes before */
	bool has_color;   /* a terminal, and neither NO_COLOR nor TERM=dumb */
};

/* What standard output is, with nothing cut. */
struct paper paper_of_stdout(void);

/*
 * Makes one cell of @length bytes of @text: a clean line without characters that turn or hide their
 * neighbours, and ASCII alone where the paper has no UTF-8. Returns @buffer.
 */
const char *paper_clean(const struct paper *p, char *buffer, size_t size, const char *text,
			size_t length);

/* How many columns clean @text takes. */
unsigned paper_width(const struct paper *p, const char *text);

/*
 * Writes clean @text, cut at *@room columns, and takes them from *@room; blanks up to @width
 * columns behind it.
 */
void paper_put(const struct paper *p, const char *text, enum ink ink, unsigned width,
	       unsigned *room);

/* The columns that one line has. */
unsigned paper_room(const struct paper *p);
