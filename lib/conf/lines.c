/* SPDX-License-Identifier: MIT */
#include "conf/lines.h"

#include <stdlib.h>
#include <string.h>

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

void lines_end(struct lines *l) {
	lines_close(l);
	if (l->data) {
		for (char *p = l->data; *p != '\0'; p++)
			if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
				*p = '?';
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
