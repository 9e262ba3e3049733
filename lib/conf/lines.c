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

/* The bytes of the UTF-8 character at @p, 0 where there is none. */
static size_t character(const char *p) {
	size_t length = strnlen(p, 4);

	for (size_t n = 1; n <= length; n++)
		if (text_is_utf8(p, n))
			return n;
	return 0;
}

/* As text_clean(), but tabs and the blanks in front stay: they make the columns. */
static void clean(char *p) {
	while (*p != '\0') {
		size_t n = character(p);

		if (n == 0 || ((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			*p = '?';
		p += MAX(n, (size_t)1);
	}
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
