/* SPDX-License-Identifier: MIT */
/* sdwdctl check: explains what in a unit defeats the watchdog. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "convert.h"
#include "finding.h"
#include "programs.h"
#include "unit_verbs.h"

#define ERRORS_MAX 65536

struct check_settings {
	char *root;
};

static const struct opt check_options[] = {
	{.name = "root",
	 .argument = "DIR",
	 .help = "look for the unit in this folder (an image), not in the running system",
	 .parse = opt_parse_string,
	 .offset = offsetof(struct check_settings, root)},
	{NULL},
};

static int run(int argc, char **argv);

const struct verb verb_check = {
	.name = "check",
	.words = "UNIT",
	.help = "Says what in a unit defeats the watchdog, and what to write",
	.options = check_options,
	.takes_probes = true,
	.run = run,
};

void found(struct findings *f, enum severity severity, const char *line, const char *format, ...) {
	static const char *const names[] = {
		[NOTE] = "note", [WARNING] = "warning", [SERIOUS] = "serious"};
	va_list list;

	if (f->count++ == 0 && !f->is_wrapped)
		printf("%s is not under sdwd. What stands in the way and sdwdctl wrap does not "
		       "change:\n",
		       f->unit->name);
	printf("%s: ", names[severity]);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	if (line)
		printf("    write: %s\n", line);
}

bool has_probe(const struct findings *f, const char *name) {
	for (size_t i = 0; i < f->conf->n_probes; i++)
		if (strcmp(f->conf->probes[i]->kind->name, name) == 0)
			return true;
	return false;
}

/* sdwd's options in the command line @e, up to its command; *@ret_command (owned) is its first
 * word, or NULL. */
static int read_line(const struct exec_line *e, const char *unit, struct words *options,
		     char **ret_command) {
	struct config_kinds kinds;
	const char *rest = e->rest;
	bool is_value = false;
	char *word;
	int r;

	config_kinds(&kinds);
	*ret_command = NULL;
	while ((r = exec_line_next(e, unit, &rest, &word)) > 0) {
		if (!is_value && strcmp(word, "--") == 0) {
			free(word);
			r = exec_line_next(e, unit, &rest, ret_command);
			break;
		}
		if (!is_value && strncmp(word, "--", 2) != 0) {
			*ret_command = word;
			break;
		}
		is_value = !is_value && !strchr(word, '=') &&
			   conf_argument(word + 2, kinds.list) == CONF_REQUIRED;
		r = words_add(options, word);
		free(word);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* Prints what is found. Returns an exit status. */
static int judge(struct findings *f) {
	char name[UNIT_SHELL_MAX];

	check_service(f);
	check_sandbox(f);
	check_filters(f);
	if (f->count == 0)
		printf("%s: nothing found that defeats the watchdog\n", f->unit->name);
	else if (f->root[0] == '\0')
		printf("to change it: systemctl edit %s\n", unit_for_shell(name, f->unit->name));
	return f->count > 0 ? CTL_UNWELL : CTL_WELL;
}

/* A unit that runs sdwd, as its command line @e says. @c is @f's. */
static int check_wrapped(struct findings *f, struct conf *c, const struct exec_line *e) {
	char errors[ERRORS_MAX], *command = NULL;
	struct text t = TEXT_OVER(errors);
	struct words options = {0};
	int status, r = read_line(e, f->unit->name, &options, &command);
	const char *const words[] = {command, NULL};

	f->is_wrapped = true;
	f->sdwd = e->path;
	if (r == 0)
		r = sdwd_options_read(c, &options, command ? words : NULL, f->unit->name,
				      f->watchdog_usec, f->root, &t);
	if (r < 0) {
		complain_lines(&verb_check, errors);
		usage_error(
			&verb_check,
			"%s: sdwd would not start with the options of its ExecStart=, as they are "
			"read here",
			f->unit->name);
		status = CTL_CANNOT;
	} else {
		status = judge(f);
	}
	words_done(&options);
	free(command);
	return status;
}

/* A unit that does not: what would be in the way of @options. */
static int check_bare(struct findings *f, struct conf *c, const struct words *options) {
	char errors[ERRORS_MAX], sdwd[PATH_MAX];
	struct text t = TEXT_OVER(errors);
	struct conversion v;
	int status = CTL_CANNOT, r = conversion_init(&v, f->unit, options, f->root, &t);

	if (r == -EPERM) {
		printf("serious: sdwdctl wrap refuses %s: %s\n", f->unit->name, errors);
		return CTL_UNWELL;
	}
	if (r == 0) {
		const char *const command[] = {v.path, NULL};

		r = sdwd_options_read(c, &v.words, command, f->unit->name, f->watchdog_usec,
				      f->root, &t);
		conversion_done(&v);
	}
	if (r < 0) {
		complain_lines(&verb_check, errors);
		status = r == -EINVAL ? CTL_USAGE : CTL_CANNOT;
	} else {
		f->sdwd = programs_find_sdwd(f->root, sdwd) == 0 ? sdwd : NULL;
		status = judge(f);
	}
	return status;
}

static int check(const char *name, const struct words *options, const char *root) {
	char error[1024];
	struct text t = TEXT_OVER(error);
	struct exec_line e = {0};
	struct unit u;
	struct conf c = {0};
	struct findings f = {.unit = &u, .conf = &c, .prefixes = e.prefixes, .root = root};
	const struct unit_setting *first;
	int status, r = unit_load(&u, name, root, &t);

	if (r < 0) {
		usage_error(&verb_check, "%s", error);
		return r == -EINVAL ? CTL_USAGE : CTL_CANNOT;
	}
	f.watchdog_usec = unit_watchdog_usec(&u.settings);
	first = unit_next(&u.settings, "ExecStart", NULL);
	if (!first || exec_line_parse(&e, first->value) < 0 ||
	    strcmp(base_of(e.path), "sdwd") != 0) {
		status = check_bare(&f, &c, options);
	} else if (options->n_items > 0) {
		status = usage_error(&verb_check, "%s runs sdwd already: its own options count",
				     u.name);
	} else {
		status = check_wrapped(&f, &c, &e);
	}
	conf_done(&c);
	exec_line_done(&e);
	unit_done(&u);
	return status;
}

static int run(int argc, char **argv) {
	struct check_settings s = {0};
	struct words options = {0};
	size_t n_words = 0;
	char *root = NULL;
	int status = CTL_USAGE, r = sdwd_options_part(argc, argv, check_options, &options);

	if (r > 0)
		r = arguments_parse(&verb_check, r, argv, &s, &n_words);
	if (r != 0) {
		words_done(&options);
		return r > 0 ? CTL_WELL : CTL_USAGE;
	}
	if (n_words != 1)
		usage_error(&verb_check, "%s; see sdwdctl check --help",
			    n_words == 0 ? "a unit is missing" : "one unit at a time");
	else if (take_root(&verb_check, s.root, &root) == 0)
		status = check(argv[1], &options, root);
	free(root);
	words_done(&options);
	arguments_done(&verb_check, &s);
	return status;
}
