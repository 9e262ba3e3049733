/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "fields.h"
#include "spark.h"

/* Of one cell, in bytes: a unit's name has at most 255. */
#define CELL_MAX 256
/* The fewest looks that a sparkline is worth its column for. */
#define SPARK_MIN 4U

enum column {
	COLUMN_LABEL,
	COLUMN_UNIT,
	COLUMN_STATE,
	COLUMN_FOR,
	COLUMN_HEALTH,
	COLUMN_PROBE,
	COLUMN_CAUSE,
	COLUMN_LATENCY,
	COLUMN_FAILS,
	COLUMN_MAX, /* and the sparkline behind the last one */
};

static const char *const heads[] = {
	[COLUMN_LABEL] = "LABEL", [COLUMN_UNIT] = "UNIT",       [COLUMN_STATE] = "STATE",
	[COLUMN_FOR] = "FOR",     [COLUMN_HEALTH] = "HEALTH",   [COLUMN_PROBE] = "PROBE",
	[COLUMN_CAUSE] = "CAUSE", [COLUMN_LATENCY] = "LATENCY", [COLUMN_FAILS] = "FAILS",
};

/* One line of the table: an instance's first has its own cells, the others its probes' alone. */
struct row {
	char cells[COLUMN_MAX][CELL_MAX];
	enum ink inks[COLUMN_MAX];
	struct json_object *probe; /* for the sparkline, borrowed */
	char note[2 * CELL_MAX];   /* a line below it */
};

static bool is_one_of(struct json_object *status, const char *name, const char *const *words) {
	for (; *words; words++)
		if (field_says(status, name, *words))
			return true;
	return false;
}

enum rank instance_rank(const struct instance *i) {
	static const char *const known[] = {"launching", "starting", "running", "stopping", NULL};
	static const char *const moving[] = {"launching", "starting", "stopping", NULL};
	static const char *const well[] = {"healthy", "degraded", NULL};

	if (field_is(i->status, "paused"))
		return RANK_PAUSED;
	if (!is_one_of(i->status, "state", known) || !is_one_of(i->status, "health", well))
		return RANK_UNWELL;
	if (field_says(i->status, "health", "degraded"))
		return RANK_DEGRADED;
	for (size_t at = 0; at < field_count(i->status, "probes"); at++)
		if (field_is(field_at(i->status, "probes", at), "drilled"))
			return RANK_DRILLED;
	return is_one_of(i->status, "state", moving) ? RANK_MOVING : RANK_WELL;
}

bool instance_is_well(const struct instance *i) {
	return instance_rank(i) != RANK_UNWELL;
}

/* An instance with its rank, which costs more to find than to compare. */
struct ranked {
	const struct instance *instance;
	enum rank rank;
};

static int by_rank(const void *one, const void *other) {
	const struct ranked *a = one, *b = other;
	int order = (int)a->rank - (int)b->rank;

	if (order == 0)
		order = strcmp(a->instance->label, b->instance->label);
	return order != 0 ? order : strcmp(a->instance->path, b->instance->path);
}

void table_sort(const struct instance **list, size_t n) {
	struct ranked *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return;
	for (size_t at = 0; at < n; at++)
		all[at] = (struct ranked){list[at], instance_rank(list[at])};
	qsort(all, n, sizeof(*all), by_rank);
	for (size_t at = 0; at < n; at++)
		list[at] = all[at].instance;
	free(all);
}

/* The text of a field, or "-". */
static void set_text(const struct paper *p, char *cell, struct json_object *object,
		     const char *name) {
	size_t length = 1;
	const char *text = field_text(object, name, &length);

	paper_clean(p, cell, CELL_MAX, text ? text : "-", length);
}

static void set_usec(char *cell, int64_t usec) {
	char text[USEC_STR_MAX];

	snprintf(cell, CELL_MAX, "%s", usec < 0 ? "-" : usec_str_short(text, (usec_t)usec));
}

static void set_health(const struct paper *p, struct row *row, const struct instance *i,
		       usec_t age) {
	static const enum ink inks[] = {
		[RANK_UNWELL] = INK_BAD,   [RANK_DEGRADED] = INK_WARN, [RANK_DRILLED] = INK_WARN,
		[RANK_MOVING] = INK_PLAIN, [RANK_PAUSED] = INK_NOTE,   [RANK_WELL] = INK_GOOD,
	};
	static const char *const begins[] = {"launching", "starting", NULL};
	int64_t left = field_int(i->status, "pausedLeftUsec", -1);
	char text[USEC_STR_MAX];

	row->inks[COLUMN_HEALTH] = inks[instance_rank(i)];
	if (field_is(i->status, "paused"))
		snprintf(row->cells[COLUMN_HEALTH], CELL_MAX, "paused%s%s", left < 0 ? "" : " ",
			 left < 0 ? "" : usec_str_short(text, usec_sub((usec_t)left, age)));
	else if (is_one_of(i->status, "state", begins) &&
		 field_says(i->status, "health", "healthy"))
		/* Nobody has found that out yet. */
		snprintf(row->cells[COLUMN_HEALTH], CELL_MAX, "-");
	else
		set_text(p, row->cells[COLUMN_HEALTH], i->status, "health");
}

/* What is its own. */
static void set_instance(const struct paper *p, struct row *row, const struct instance *i,
			 usec_t now) {
	int64_t for_usec = field_int(i->status, "stateUsec", -1);
	usec_t age = usec_sub(now, i->taken_at);

	paper_clean(p, row->cells[COLUMN_LABEL], CELL_MAX, i->label, strlen(i->label));
	set_text(p, row->cells[COLUMN_UNIT], i->status, "unit");
	set_text(p, row->cells[COLUMN_STATE], i->status, "state");
	set_usec(row->cells[COLUMN_FOR],
		 for_usec < 0 ? -1 : (int64_t)usec_add((usec_t)for_usec, age));
	set_health(p, row, i, age);
	row->inks[COLUMN_LABEL] = INK_BOLD;
	if (field_says(i->status, "state", "unhealthy"))
		row->inks[COLUMN_STATE] = row->inks[COLUMN_HEALTH];
}

static void set_probe(const struct paper *p, struct row *row, struct json_object *probe) {
	bool is_bad = field_says(probe, "verdict", "fail") || field_is(probe, "drilled");

	row->probe = probe;
	set_text(p, row->cells[COLUMN_PROBE], probe, "name");
	set_text(p, row->cells[COLUMN_CAUSE], probe, "cause");
	set_usec(row->cells[COLUMN_LATENCY], field_int(probe, "latencyUsec", -1));
	snprintf(row->cells[COLUMN_FAILS], CELL_MAX, "%lld/%lld",
		 (long long)field_int(probe, "fails", 0), (long long)field_int(probe, "fall", 0));
	row->inks[COLUMN_CAUSE] = is_bad                                 ? INK_BAD
				  : field_says(probe, "verdict", "pass") ? INK_PLAIN
				  : field_says(probe, "verdict", "warn") ? INK_WARN
									 : INK_DIM;
	if (field_is(probe, "drilled"))
		snprintf(row->cells[COLUMN_CAUSE], CELL_MAX, "drill");
	if (field_says(probe, "state", "unhealthy"))
		row->inks[COLUMN_PROBE] = row->inks[COLUMN_FAILS] = INK_BAD;
	if (field_is(probe, "optional"))
		row->inks[COLUMN_PROBE] = INK_DIM;
}

/* The process itself: there is always one, but it is told where nothing else is, or where it is
 * why. */
static void set_process(const struct paper *p, struct row *row, struct json_object *status) {
	snprintf(row->cells[COLUMN_PROBE], CELL_MAX, "process");
	set_text(p, row->cells[COLUMN_CAUSE], status, "process");
	snprintf(row->cells[COLUMN_LATENCY], CELL_MAX, "-");
	snprintf(row->cells[COLUMN_FAILS], CELL_MAX, "-");
	if (!field_says(status, "process", "running"))
		row->inks[COLUMN_CAUSE] = INK_WARN;
}

/* A reply of 1 MiB may tell of half a million probes, and each row takes 3 KiB. */
static size_t count_probes(const struct instance *i) {
	return MIN(field_count(i->status, "probes"), INSTANCE_PROBES_MAX);
}

static bool has_process(const struct instance *i) {
	return count_probes(i) == 0 || !field_says(i->status, "process", "running");
}

static bool has_more(const struct instance *i) {
	return field_count(i->status, "probes") > INSTANCE_PROBES_MAX;
}

static size_t count_rows(const struct instance *i) {
	return count_probes(i) + has_more(i) + has_process(i);
}

/* Lines on the paper: the rows, and a note below those that are not well. */
static bool has_note(const struct instance *i) {
	enum rank rank = instance_rank(i);

	return rank != RANK_WELL && field_text(i->status, "statusText", NULL);
}

static void set_rows(const struct paper *p, struct row *rows, const struct instance *i,
		     usec_t now) {
	size_t n_probes = count_probes(i), n = count_rows(i);

	set_instance(p, rows, i, now);
	for (size_t at = 0; at < n_probes; at++)
		set_probe(p, rows + at, field_at(i->status, "probes", at));
	if (has_more(i))
		snprintf(rows[n_probes].cells[COLUMN_PROBE], CELL_MAX, "and %zu more",
			 field_count(i->status, "probes") - n_probes);
	if (has_process(i))
		set_process(p, rows + n - 1, i->status);
	if (has_note(i)) {
		size_t length;
		const char *text = field_text(i->status, "statusText", &length);

		paper_clean(p, rows[n - 1].note, sizeof(rows->note), text, length);
	}
}

/* The columns of the terminal that those of the table take; one of width 0 is left out. */
static unsigned sum(const unsigned *widths) {
	unsigned used = 0;

	for (size_t column = 0; column < COLUMN_MAX; column++)
		used += widths[column] > 0 ? widths[column] + 2 : 0;
	return used;
}

/* Where lines are cut, what says least is left out before the looks are. */
static void leave_out(const struct paper *p, unsigned *widths) {
	static const enum column least[] = {COLUMN_UNIT, COLUMN_STATE, COLUMN_LATENCY};

	for (size_t at = 0; at < ARRAY_SIZE(least); at++)
		if (p->is_cut && p->columns > 0 && sum(widths) + SPARK_MIN > p->columns)
			widths[least[at]] = 0;
}

/* How many of the looks have room behind all columns. */
static unsigned spark_room(const struct paper *p, const unsigned *widths) {
	unsigned used = sum(widths);

	if (p->columns == 0)
		return SPARK_MAX;
	return p->columns < used + SPARK_MIN ? SPARK_MIN : MIN(p->columns - used, SPARK_MAX);
}

static void put_row(const struct paper *p, const struct row *row, const unsigned *widths) {
	bool has_looks = field_count(row->probe, "history") > 0;
	unsigned room = paper_room(p);

	for (size_t column = 0; column < COLUMN_MAX; column++)
		if (widths[column] > 0)
			paper_put(p, row->cells[column], row->inks[column],
				  column < COLUMN_FAILS || has_looks ? widths[column] + 2 : 0,
				  &room);
	if (has_looks)
		spark_put(p, row->probe, spark_room(p, widths), &room);
	fputc('\n', p->out);
	if (row->note[0] != '\0') {
		room = paper_room(p);
		paper_put(p, "", INK_PLAIN, 2, &room);
		paper_put(p, row->note, INK_PLAIN, 0, &room);
		fputc('\n', p->out);
	}
}

static void put_head(const struct paper *p, const unsigned *widths) {
	unsigned room = paper_room(p);

	for (size_t column = 0; column < COLUMN_MAX; column++)
		if (widths[column] > 0)
			paper_put(p, heads[column], INK_BOLD, widths[column] + 2, &room);
	paper_put(p, "LOOKS", INK_BOLD, 0, &room);
	fputc('\n', p->out);
}

size_t table_show(const struct paper *p, const struct instance *const *list, size_t n) {
	unsigned widths[COLUMN_MAX];
	size_t n_rows = 0, n_lines = 1, shown = 0;
	bool is_over = false;
	usec_t now = usec_now();
	struct row *rows;

	for (; shown < n; shown++) {
		size_t more = count_rows(list[shown]);

		n_lines += more + has_note(list[shown]);
		is_over = p->is_cut && p->lines > 0 && n_lines > p->lines;
		if (is_over && shown > 0)
			break;
		n_rows += more;
	}
	rows = calloc(n_rows + 1, sizeof(*rows));
	if (!rows)
		return 0;
	for (size_t at = 0, row = 0; at < shown; row += count_rows(list[at++]))
		set_rows(p, rows + row, list[at], now);
	for (size_t column = 0; column < COLUMN_MAX; column++) {
		widths[column] = paper_width(p, heads[column]);
		for (size_t row = 0; row < n_rows; row++)
			widths[column] =
				MAX(widths[column], paper_width(p, rows[row].cells[column]));
	}
	leave_out(p, widths);
	put_head(p, widths);
	for (size_t row = 0; row < n_rows; row++)
		put_row(p, rows + row, widths);
	free(rows);
	return shown;
}
