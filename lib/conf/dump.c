/* SPDX-License-Identifier: MIT */
#include "conf/dump.h"

#include <string.h>

#include "conf/lines.h"

#define HELP_COLUMN 26
#define HELP_WIDTH 79

static const char *shown_default(const struct opt *o) {
	return o->shown ? o->shown : o->fallback;
}

static void dump_one(struct lines *l, const char *name, const char *argument, bool is_optional,
		     const char *fallback, const char *scope, const char *help) {
	lines_addf(l, "%s\t%s%s%s\t%s\t%s\t%s", name, is_optional ? "[" : "",
		   argument ? argument : "-", is_optional ? "]" : "", fallback ? fallback : "-",
		   scope, help);
	lines_end(l);
}

static void dump_table(struct lines *l, const struct opt *table, const char *scope) {
	for (const struct opt *o = table; o && o->name; o++)
		dump_one(l, o->name, o->argument, o->flags & OPT_ARGUMENT_OPTIONAL,
			 shown_default(o), scope, o->help);
}

void dump_options(const struct probe_kind *const *kinds, conf_line_t *on_line, void *context) {
	struct lines l;

	lines_init(&l, on_line, context);
	for (const struct probe_kind *const *kind = kinds; *kind; kind++) {
		dump_one(&l, (*kind)->name, (*kind)->argument, (*kind)->argument_is_optional, NULL,
			 (*kind)->name, (*kind)->help);
		dump_table(&l, (*kind)->options, (*kind)->name);
	}
	dump_table(&l, probe_options, "probe");
	dump_table(&l, service_options, "service");
	lines_done(&l);
}

/* Adds @text word by word, each further line indented to HELP_COLUMN. */
static void add_wrapped(struct lines *l, const char *text) {
	while (*text != '\0') {
		size_t n = strcspn(text, " "), width = lines_width(l);

		if (width > HELP_COLUMN && width + 1 + n > HELP_WIDTH) {
			lines_end(l);
			width = 0;
		}
		if (width < HELP_COLUMN)
			lines_tab(l, HELP_COLUMN);
		else if (width > HELP_COLUMN)
			lines_addf(l, " ");
		lines_addf(l, "%.*s", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static void help_one(struct lines *l, const char *name, const char *argument, bool is_optional,
		     const char *fallback, const char *help) {
	lines_addf(l, "  --%s%s%s%s%s", name, is_optional ? "[" : "", argument ? "=" : "",
		   argument ? argument : "", is_optional ? "]" : "");
	if (lines_width(l) + 1 > HELP_COLUMN)
		lines_end(l);
	add_wrapped(l, help);
	if (fallback) {
		char shown[256];

		snprintf(shown, sizeof(shown), "(default: %s)", fallback);
		add_wrapped(l, shown);
	}
	lines_end(l);
}

static void help_table(struct lines *l, const struct opt *table) {
	for (const struct opt *o = table; o && o->name; o++)
		help_one(l, o->name, o->argument, o->flags & OPT_ARGUMENT_OPTIONAL,
			 shown_default(o), o->help);
}

static void help_line(struct lines *l, const char *line) {
	lines_addf(l, "%s", line);
	lines_end(l);
}

void dump_help(const struct probe_kind *const *kinds, conf_line_t *on_line, void *context) {
	struct lines l;

	lines_init(&l, on_line, context);
	help_line(&l, "Usage: sdwd [OPTION...] [--] COMMAND [ARGUMENT...]");
	help_line(&l, "       sdwd --config=FILE [OPTION...] [[--] COMMAND [ARGUMENT...]]");
	help_line(&l, "       sdwd --check [OPTION...] [--] COMMAND [ARGUMENT...]");
	help_line(&l, "");
	help_line(&l,
		  "Runs COMMAND and pings systemd's watchdog as long as there is fresh evidence");
	help_line(&l, "that it is well.");
	help_line(&l, "");
	help_line(&l, "Health sources (each use makes a new probe):");
	for (const struct probe_kind *const *kind = kinds; *kind; kind++)
		help_one(&l, (*kind)->name, (*kind)->argument, (*kind)->argument_is_optional, NULL,
			 (*kind)->help);
	help_line(&l, "");
	help_line(&l, "Probe options (before the first probe: for all that know them; after a");
	help_line(&l, "probe: for that one):");
	help_table(&l, probe_options);
	for (const struct probe_kind *const *kind = kinds; *kind; kind++) {
		if (!(*kind)->options || !(*kind)->options->name)
			continue;
		help_line(&l, "");
		lines_addf(&l, "Options of --%s:", (*kind)->name);
		lines_end(&l);
		help_table(&l, (*kind)->options);
	}
	help_line(&l, "");
	help_line(&l, "Service options:");
	help_table(&l, service_options);
	help_line(&l, "");
	help_line(&l, "W is systemd's watchdog time, else --watchdog-sec. DURATION is as in");
	help_line(&l, "systemd.time(7): 500ms, 10s, 1min 30s; a bare number is seconds.");
	help_line(&l, "See sdwd(1), sdwd-probes(7) and sdwd.conf(5).");
	lines_done(&l);
}
