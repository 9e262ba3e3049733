/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "conf/conf.h"

/* A line of any length in the making, for those who have a conf_line_t to feed. */
struct lines {
	FILE *line; /* what is being written; NULL: nothing can be (out of memory) */
	char *data;
	size_t size;
	conf_line_t *on_line;
	void *context;
};

/* Begins with an empty line; @on_line gets each one with @context, which is borrowed. */
void lines_init(struct lines *l, conf_line_t *on_line, void *context);

/* Adds to the line. */
void lines_addf(struct lines *l, const char *format, ...) printf_like(2, 3);

/* Adds blanks until the line is @column wide; at least one where it is not empty. */
void lines_tab(struct lines *l, size_t column);

/* The width of the line so far, in bytes. */
size_t lines_width(struct lines *l);

/* Gives the line to on_line(), without control characters but tabs, and begins the next. */
void lines_end(struct lines *l);

void lines_done(struct lines *l);
