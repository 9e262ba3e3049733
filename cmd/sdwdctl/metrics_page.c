/* SPDX-License-Identifier: MIT */
/* Lines of the two formats: where they differ, and how text and numbers are written. */
#include "metrics_page.h"

#include <inttypes.h>
#include <string.h>

#include "fields.h"

#define LABEL_MAX 256

/* What a counter's samples, and those of an info, are called. */
static const char *suffix_of(enum metrics_type type) {
	return type == METRICS_COUNTER ? "_total" : type == METRICS_INFO ? "_info" : "";
}

void metrics_page_head(const struct metrics_page *p) {
	static const char *const openmetrics[] = {
		[METRICS_GAUGE] = "gauge",
		[METRICS_COUNTER] = "counter",
		[METRICS_HISTOGRAM] = "histogram",
		[METRICS_INFO] = "info",
	};
	const struct metrics_family *f = p->family;
	bool is_open = p->format == METRICS_OPENMETRICS;
	/* The text format has no infos, and names what stands below; OpenMetrics names the family.
	 */
	const char *type = f->type == METRICS_INFO && !is_open ? "gauge" : openmetrics[f->type];
	const char *suffix = is_open ? "" : suffix_of(f->type);

	fprintf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, suffix, f->help, f->name,
		suffix, type);
}

static void put_label(FILE *out, char *before, const char *name, const char *value) {
	fprintf(out, "%c%s=\"", *before, name);
	*before = ',';
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '"' || *value == '\\')
			putc('\\', out);
		putc(*value, out);
	}
	putc('"', out);
}

static void put_number_label(FILE *out, char *before, const char *name, uint64_t number) {
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put_label(out, before, name, text);
}

void metrics_page_sample(const struct metrics_page *p, const char *suffix,
			 const struct metrics_subject *s, struct json_object *probe,
			 const char *label, const char *word) {
	char before = '{', text[LABEL_MAX];

	fprintf(p->out, "%s%s%s", p->family->name, suffix_of(p->family->type), suffix);
	if (s) {
		put_label(p->out, &before, "service", s->instance->label);
		put_label(p->out, &before, "unit", s->unit);
		if (s->owner != (uid_t)-1)
			put_number_label(p->out, &before, "owner", s->owner);
		if (s->has_twin)
			put_number_label(p->out, &before, "pid", (uint64_t)s->instance->pid);
	}
	if (probe) {
		put_label(p->out, &before, "probe", field_clean(probe, "name", text, sizeof(text)));
		put_label(p->out, &before, "kind", field_clean(probe, "kind", text, sizeof(text)));
	}
	if (label)
		put_label(p->out, &before, label, word);
	fputs(before == ',' ? "} " : " ", p->out);
}

void metrics_page_count(const struct metrics_page *p, int64_t number) {
	fprintf(p->out, "%" PRId64 "\n", number);
}

void metrics_page_seconds(const struct metrics_page *p, usec_t usec) {
	char text[METRICS_SECONDS_MAX];

	fprintf(p->out, "%s\n", metrics_seconds(text, usec));
}

const char *metrics_seconds(char buffer[static METRICS_SECONDS_MAX], usec_t usec) {
	int length = snprintf(buffer, METRICS_SECONDS_MAX, "%" PRIu64 ".%06" PRIu64,
			      usec / USEC_PER_SEC, usec % USEC_PER_SEC);

	while (buffer[length - 1] == '0' && buffer[length - 2] != '.')
		buffer[--length] = '\0';
	return buffer;
}
