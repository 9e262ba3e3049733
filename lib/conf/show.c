/* SPDX-License-Identifier: MIT */
#include "conf/show.h"

#include <inttypes.h>
#include <string.h>

#include "base/usec.h"
#include "conf/lines.h"
#include "conf/values.h"

#define VALUE_COLUMN 20
#define ORIGIN_COLUMN 40

/* Where a field is in none of the states that a user could have asked for, it has no text. */

static bool add_word(struct lines *l, const struct opt *o, int value) {
	for (const struct opt_word *w = o->words; w->word; w++) {
		if (w->value == value) {
			lines_addf(l, "%s", w->word);
			return true;
		}
	}
	return false;
}

static bool add_words(struct lines *l, const struct opt *o, unsigned bits) {
	const char *comma = "";

	for (const struct opt_word *w = o->words; w->word; w++) {
		if (bits & 1U << w->value) {
			lines_addf(l, "%s%s", comma, w->word);
			comma = ",";
		}
	}
	return bits != 0;
}

static bool add_stop_signals(struct lines *l, uint64_t bits) {
	const struct conf c = {.stop_signals = bits};
	char name[SIGNAL_STR_MAX];
	const char *comma = "";

	for (int n = 1; n <= SIGNAL_MAX; n++) {
		if (conf_has_signal(c.stop_signals, n)) {
			lines_addf(l, "%s%s", comma, signal_str(name, n));
			comma = ",";
		}
	}
	return bits != 0;
}

/* Adds the value of the field at @field; false where it has none, or only the given text says it.
 */
static bool add_field(struct lines *l, const struct opt *o, const void *field) {
	char buffer[USEC_STR_MAX];

	assert(field);
	if (o->parse == opt_parse_flag) {
		lines_addf(l, "%s", *(const bool *)field ? "yes" : "no");
	} else if (o->parse == opt_parse_duration) {
		usec_t usec = *(const usec_t *)field;

		if (usec == 0 && o->minimum > 0)
			return false;
		lines_addf(l, "%s", usec_str(buffer, usec));
	} else if (o->parse == opt_parse_unsigned) {
		lines_addf(l, "%u", *(const unsigned *)field);
	} else if (o->parse == opt_parse_integer) {
		int number = *(const int *)field;

		if (number < (int)o->minimum || number > (int)o->maximum)
			return false;
		lines_addf(l, "%d", number);
	} else if (o->parse == opt_parse_string || o->parse == value_parse_label ||
		   o->parse == value_parse_name || o->parse == value_parse_command) {
		const char *string = *(char *const *)field;

		if (!string)
			return false;
		lines_addf(l, "%s", string);
	} else if (o->parse == opt_parse_word) {
		return add_word(l, o, *(const int *)field);
	} else if (o->parse == opt_parse_words) {
		return add_words(l, o, *(const unsigned *)field);
	} else if (o->parse == opt_parse_signal) {
		if (*(const int *)field == 0)
			return false;
		lines_addf(l, "%s", signal_str(buffer, *(const int *)field));
	} else if (o->parse == value_parse_stop_signals) {
		return add_stop_signals(l, *(const uint64_t *)field);
	} else {
		return false;
	}
	return true;
}

static void add_origin(struct lines *l, const struct origin *origin) {
	lines_tab(l, ORIGIN_COLUMN);
	if (origin->kind == ORIGIN_FILE)
		lines_addf(l, "(%s:%u)", origin->file, origin->line);
	else
		lines_addf(l, "(command line)");
}

static void begin(struct lines *l, const char *name) {
	lines_addf(l, "  %s", name);
	lines_tab(l, VALUE_COLUMN);
	lines_addf(l, "= ");
}

static void show_given(struct lines *l, const struct conf_given *g, const void *field) {
	begin(l, g->name);
	if (!g->option || g->option->flags & OPT_REPEAT || !add_field(l, g->option, field))
		lines_addf(l, "%s", g->value ? g->value : "yes");
	add_origin(l, &g->origin);
	if (g->is_default)
		lines_addf(l, " before the first probe");
	lines_end(l);
}

/* The words as a file would have them, and a shell. */
static void show_command(struct lines *l, const struct conf *c) {
	begin(l, "command");
	for (char *const *word = c->command; *word; word++) {
		bool is_plain = **word != '\0' && !strpbrk(*word, " \t'\"\\|&;<>()$`*?[#~=%!{}");
		const char *rest = *word;

		lines_addf(l, "%s%s", word == c->command ? "" : " ", is_plain ? "" : "'");
		for (; !is_plain && strchr(rest, '\''); rest = strchr(rest, '\'') + 1)
			lines_addf(l, "%.*s'\\''", (int)strcspn(rest, "'"), rest);
		lines_addf(l, "%s%s", rest, is_plain ? "" : "'");
	}
	add_origin(l, &c->command_origin);
	lines_end(l);
}

static void show_option(struct lines *l, const struct conf_givens *given, const struct opt *o,
			const void *base) {
	const void *field = (const char *)base + o->offset;
	bool is_given = false;

	for (size_t i = 0; i < given->n_items; i++) {
		if (strcmp(given->items[i].name, o->name) == 0) {
			show_given(l, &given->items[i], field);
			is_given = true;
		}
	}
	if (is_given)
		return;

	begin(l, o->name);
	if (o->fallback && o->shown) {
		lines_addf(l, "%s", o->shown);
	} else if (add_field(l, o, field)) {
		if (!o->fallback && o->shown) {
			lines_tab(l, ORIGIN_COLUMN);
			lines_addf(l, "(default: %s)", o->shown);
			lines_end(l);
			return;
		}
	} else {
		lines_addf(l, "%s", o->fallback ? o->fallback : o->shown ? o->shown : "none");
	}
	lines_tab(l, ORIGIN_COLUMN);
	lines_addf(l, "(default)");
	lines_end(l);
}

static void show_watchdog(struct lines *l, const struct conf_env *env, usec_t w) {
	char buffer[USEC_STR_MAX];

	begin(l, "watchdog-sec");
	lines_addf(l, "%s", usec_str(buffer, w));
	lines_tab(l, ORIGIN_COLUMN);
	lines_addf(l, "%s", env->watchdog_usec > 0 ? "(WATCHDOG_USEC of systemd)" : "(default)");
	lines_end(l);
}

static void show_probe(struct lines *l, const struct probe_conf *p) {
	const struct conf_given *target = conf_find_given(&p->given, p->kind->name);

	lines_end(l);
	lines_addf(l, "probe %s:", p->name);
	lines_end(l);
	if (target)
		show_given(l, target, NULL);
	for (const struct opt *o = probe_options; o->name; o++)
		if (conf_probe_option(p->kind, o->name))
			show_option(l, &p->given, o, p);
	for (const struct opt *o = p->kind->options; o && o->name; o++)
		show_option(l, &p->given, o, p->settings);
}

void show_values(const struct conf *c, const struct conf_env *env, usec_t w, conf_line_t *on_line,
		 void *context) {
	struct lines l;

	lines_init(&l, on_line, context);
	lines_addf(&l, "service:");
	lines_end(&l);
	show_command(&l, c);
	for (const struct opt *o = service_options; o->name; o++) {
		if (o->flags & OPT_ARGV_ONLY)
			continue;
		if (o->offset == offsetof(struct conf, watchdog_usec) && c->watchdog_usec == 0)
			show_watchdog(&l, env, w);
		else
			show_option(&l, &c->given, o, c);
	}
	for (size_t i = 0; i < c->n_probes; i++)
		show_probe(&l, c->probes[i]);
	lines_done(&l);
}
