/* SPDX-License-Identifier: MIT */
#include "conf/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void lines_open(struct lines *l) {
	l->data = NULL;
	l->line = open_memstream(&l->data, &l->size);
}

void lines_init(struct lines *l, conf_line_t *on_line, void *context) {
	*l = (struct lines){.on_line = on_line, .context = context};
	lines_open(l);
}

void lines_addf(struct lines *l, const char *format, ...) {
	va_list arguments;

	if (!l->line)
		return;
	va_start(arguments, format);
	(void)vfprintf(l->line, format, arguments);
	va_end(arguments);
}

size_t lines_width(struct lines *l) {
	/* The size of a memory stream is right after a flush, open_memstream(3). */
	return l->line && fflush(l->line) == 0 ? l->size : 0;
}

void lines_tab(struct lines *l, size_t column) {
	size_t width = lines_width(l);

	if (width < column)
		lines_addf(l, "%*s", (int)(column - width), "");
	else if (width > 0)
		lines_addf(l, " ");
}

static void lines_close(struct lines *l) {
	if (l->line)
		(void)fclose(l->line);
	l->line = NULL;
}

/* As text_clean(), but tabs and the blanks in front stay: they make the columns. */
static void clean(char *p) {
	char *to = p;

	for (size_t left = strlen(p), n; left > 0; p += n, left -= n) {
		bool is_clean;

		n = text_character(p, left, &is_clean);
		if (is_clean || *p == '\t') {
			memmove(to, p, n);
			to += n;
		} else {
			*to++ = '?';
		}
	}
	*to = '\0';
}

void lines_end(struct lines *l) {
	lines_close(l);
	if (l->data) {
		clean(l->data);
		l->on_line(l->context, l->data);
	}
	free(l->data);
	lines_open(l);
}

void lines_done(struct lines *l) {
	lines_close(l);
	free(l->data);
	l->data = NULL;
}
