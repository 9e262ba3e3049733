/* SPDX-License-Identifier: MIT */
#include "spark.h"

#include "fields.h"

static const char *const bars[2][8] = {
	{"_", ".", "-", "~", "=", "+", "*", "#"},
	{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
};

static void put_look(const struct paper *p, struct json_object *look, int64_t longest,
		     unsigned *room) {
	int64_t usec = field_int(look, "us", 0);
	size_t level = MIN((size_t)((double)usec / (double)longest * 7.5), (size_t)7);

	if (field_says(look, "v", "fail"))
		paper_put(p, p->is_utf8 ? "×" : "x", INK_BAD, 0, room);
	else if (field_says(look, "v", "warn"))
		paper_put(p, bars[p->is_utf8][level], INK_WARN, 0, room);
	else if (field_says(look, "v", "pass"))
		paper_put(p, bars[p->is_utf8][level], INK_PLAIN, 0, room);
	else
		paper_put(p, "?", INK_DIM, 0, room);
}

void spark_put(const struct paper *p, struct json_object *probe, unsigned max, unsigned *room) {
	size_t n = field_count(probe, "history"), shown = MIN(n, (size_t)max);
	int64_t longest = SPARK_FLOOR_USEC;

	for (size_t at = n - shown; at < n; at++) {
		struct json_object *look = field_at(probe, "history", at);

		if (!field_says(look, "v", "fail"))
			longest = MAX(longest, field_int(look, "us", 0));
	}
	for (size_t at = n - shown; at < n; at++)
		put_look(p, field_at(probe, "history", at), longest, room);
}
