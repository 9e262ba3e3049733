/* SPDX-License-Identifier: MIT */
#include "paper.h"

#include <langinfo.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/text.h"

static const char *const inks[] = {
	[INK_PLAIN] = NULL,      [INK_BOLD] = "\033[1m",  [INK_DIM] = "\033[2m",
	[INK_GOOD] = "\033[32m", [INK_WARN] = "\033[33m", [INK_BAD] = "\033[1;31m",
	[INK_NOTE] = "\033[36m",
};

struct paper paper_of_stdout(void) {
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool is_terminal = isatty(STDOUT_FILENO);
	struct paper p = {.out = stdout, .is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
	struct winsize size;

	p.has_color = is_terminal && (!no_color || no_color[0] == '\0') &&
		      !(term && strcmp(term, "dumb") == 0);
	if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		p.columns = size.ws_col;
		p.lines = size.ws_row;
	}
	return p;
}

/* Marks of direction and invisible ones: a label must not turn around what stands beside it. */
static bool is_misleading(wchar_t c) {
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c;
}

/* The character at @text, its length and its columns. */
static wchar_t character(const struct paper *p, const char *text, size_t *ret_length,
			 unsigned *ret_width) {
	mbstate_t state = {0};
	wchar_t c = (unsigned char)text[0];
	size_t n = p->is_utf8 ? mbrtowc(&c, text, MB_LEN_MAX, &state) : 1;
	int width;

	if (n == 0 || n > MB_LEN_MAX) {
		n = 1;
		c = L'?';
	}
	width = p->is_utf8 ? wcwidth(c) : 1;
	*ret_length = n;
	*ret_width = width < 0 ? 1 : (unsigned)width;
	return width < 0 ? L'?' : c;
}

const char *paper_clean(const struct paper *p, char *buffer, size_t size, const char *text,
			size_t length) {
	char *to = buffer;
	const char *from = buffer;

	text_clean(buffer, size, text, length);
	while (*from != '\0') {
		unsigned width;
		size_t n;
		wchar_t c = character(p, from, &n, &width);
		bool is_bad = c == L'?' || is_misleading(c) || (!p->is_utf8 && (*from & 0x80));

		/* Never longer than it was. */
		if (is_bad)
			*to++ = '?';
		else
			for (size_t i = 0; i < n; i++)
				*to++ = from[i];
		from += n;
	}
	*to = '\0';
	return buffer;
}

unsigned paper_width(const struct paper *p, const char *text) {
	unsigned total = 0;

	while (*text != '\0') {
		unsigned width;
		size_t n;

		character(p, text, &n, &width);
		total += width;
		text += n;
	}
	return total;
}

unsigned paper_room(const struct paper *p) {
	return p->is_cut && p->columns > 0 ? p->columns : UINT_MAX;
}

void paper_put(const struct paper *p, const char *text, enum ink ink, unsigned width,
	       unsigned *room) {
	bool is_inked = p->has_color && inks[ink] && *text != '\0';
	unsigned used = 0;
	size_t length = 0;

	while (text[length] != '\0') {
		unsigned columns;
		size_t n;

		character(p, text + length, &n, &columns);
		if (used + columns > *room)
			break;
		used += columns;
		length += n;
	}
	fprintf(p->out, "%s%.*s%s", is_inked ? inks[ink] : "", (int)length, text,
		is_inked ? "\033[0m" : "");
	*room -= used;
	if (used<width && * room> 0) {
		unsigned blanks = MIN(width - used, *room);

		fprintf(p->out, "%*s", (int)blanks, "");
		*room -= blanks;
	}
}
