/* SPDX-License-Identifier: MIT */
#include "convert.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "root.h"
#include "unit_words.h"

/* A service that was started at once, and had no time to keep, gets one that is hard to miss. */
#define EXTEND_START "10min"
/* Where systemd looks for a program without a slash. */
/* Enough for every list of options that people write. */
#define DROP_IN_OPTIONS_MAX 131072
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const type_names[UNIT_TYPE_MAX] = {
	[UNIT_SIMPLE] = "simple", [UNIT_EXEC] = "exec",
	[UNIT_IDLE] = "idle",     [UNIT_FORKING] = "forking",
	[UNIT_NOTIFY] = "notify", [UNIT_NOTIFY_RELOAD] = "notify-reload",
	[UNIT_DBUS] = "dbus",     [UNIT_ONESHOT] = "oneshot",
};

enum unit_type unit_type(const struct unit_settings *s) {
	const char *name = unit_value(s, "Type", NULL);

	if (!name && !unit_next(s, "ExecStart", NULL))
		return UNIT_ONESHOT;
	if (!name)
		return unit_value(s, "BusName", NULL) ? UNIT_DBUS : UNIT_SIMPLE;
	for (enum unit_type t = 0; t < UNIT_TYPE_MAX; t++)
		if (strcmp(name, type_names[t]) == 0)
			return t;
	return UNIT_TYPE_MAX;
}

bool unit_has_notify_socket(const struct unit_settings *s) {
	enum unit_type type = unit_type(s);

	return strcmp(unit_value(s, "NotifyAccess", "none"), "none") != 0 || type == UNIT_NOTIFY ||
	       type == UNIT_NOTIFY_RELOAD || unit_watchdog_usec(s) > 0 ||
	       strcmp(unit_value(s, "FileDescriptorStoreMax", "0"), "0") != 0;
}

bool unit_is_strict(const struct unit_settings *s) {
	return unit_yes(s, "DynamicUser") ||
	       strcmp(unit_value(s, "ProtectSystem", "no"), "strict") == 0;
}

const char *base_of(const char *path) {
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Options ---------------------------------------------------------------------------------- */

/* The text of the new line's options, while it grows. */
struct options {
	struct conversion *v;
	struct text text;
	int r; /* 0, or the first -ENOMEM */
};

/* Adds @word to the line, with @hidden signs of systemd, and to the words. */
static void put(struct options *o, const char *word, unsigned hidden) {
	unsigned dollar = o->v->line.has_no_variables ? 0 : UNIT_WORD_DOLLAR;

	text_add(&o->text, " ");
	unit_word_add(&o->text, word, hidden == 0 ? 0 : UNIT_WORD_PERCENT | dollar);
	if (o->r == 0)
		o->r = words_add(&o->v->words, word);
}

/* An option of our own, unless the user gave one. */
static void put_own(struct options *o, const struct words *given, const char *name,
		    const char *value) {
	char word[128];

	if (sdwd_options_have(given, name))
		return;
	snprintf(word, sizeof(word), "--%s=%s", name, value);
	put(o, word, UNIT_WORD_PERCENT);
}

/* The option "--@name=@value", whose value comes from the unit: what is a specifier there is one
 * here. */
static void put_from_unit(struct options *o, const char *name, const char *value) {
	char word[PATH_MAX + 64];

	snprintf(word, sizeof(word), "--%s=%s", name, value);
	put(o, word, 0);
}

/* True where a value of the option @name among @given holds @part; in one word or two. */
static bool has_value(const struct words *given, const char *name, const char *part) {
	size_t length = strlen(name);

	for (char *const *word = given->items; word && *word; word++) {
		const char *behind, *value = NULL;

		if (strncmp(*word, "--", 2) != 0 || strncmp(*word + 2, name, length) != 0)
			continue;
		behind = *word + 2 + length;
		if (*behind == '=')
			value = behind + 1;
		else if (*behind == '\0')
			value = word[1];
		if (value && strstr(value, part))
			return true;
	}
	return false;
}

static void put_service_options(struct options *o, const struct words *given) {
	const struct unit_settings *s = &o->v->unit->settings;
	enum unit_type type = o->v->type;
	const char *access = unit_value(s, "NotifyAccess", "none");
	const char *kill_mode = unit_value(s, "KillMode", "control-group");

	if (o->v->line.argv0 && !sdwd_options_have(given, "argv0"))
		put_from_unit(o, "argv0", o->v->line.argv0);
	if (type == UNIT_SIMPLE || type == UNIT_EXEC || type == UNIT_IDLE)
		put_own(o, given, "extend-start", EXTEND_START);
	if (type == UNIT_NOTIFY || type == UNIT_NOTIFY_RELOAD)
		put_own(o, given, "ready", "notify");
	if (strcmp(access, "all") == 0)
		put_own(o, given, "notify-access", "all");
	/* A program may behave differently where it finds a socket. */
	else if (!unit_has_notify_socket(s) && !sdwd_options_have(given, "notify") &&
		 !has_value(given, "ready", "notify"))
		put_own(o, given, "notify-access", "none");
	if (strcmp(kill_mode, "process") == 0 || strcmp(kill_mode, "none") == 0)
		put_own(o, given, "orphans", "leave");
}

/* Behind the user's: a default that stands before the first of his probes is for these too. */
static void put_probes(struct options *o, const struct words *given) {
	const struct unit_settings *s = &o->v->unit->settings;
	enum unit_type type = o->v->type;
	const char *pidfile = unit_value(s, "PIDFile", NULL), *bus = unit_value(s, "BusName", NULL);
	char path[PATH_MAX];

	if (type == UNIT_DBUS && bus && !sdwd_options_have(given, "dbus"))
		put_from_unit(o, "dbus", bus);
	/* Its own pings were the watchdog's. */
	if (unit_watchdog_usec(s) > 0 && !sdwd_options_have(given, "notify") &&
	    !has_value(given, "notify-access", "none"))
		put(o, "--notify", UNIT_WORD_PERCENT);
	if (type != UNIT_FORKING || sdwd_options_have(given, "pidfile") ||
	    sdwd_options_have(given, "forking"))
		return;
	if (pidfile) {
		snprintf(path, sizeof(path), "%s%s", pidfile[0] == '/' ? "" : "/run/", pidfile);
		put_from_unit(o, "pidfile", path);
	} else {
		put(o, "--forking", UNIT_WORD_PERCENT);
	}
}

static int make_options(struct conversion *v, const struct words *given) {
	struct options o = {.v = v};

	v->options = malloc(DROP_IN_OPTIONS_MAX);
	if (!v->options)
		return -ENOMEM;
	v->options[0] = '\0';
	o.text = (struct text){.data = v->options, .size = DROP_IN_OPTIONS_MAX};
	put_service_options(&o, given);
	for (size_t i = 0; i < given->n_items; i++)
		put(&o, given->items[i], UNIT_WORD_PERCENT);
	put_probes(&o, given);
	return o.r != 0 ? o.r : o.text.is_cut ? -E2BIG : 0;
}

/* The program ------------------------------------------------------------------------------ */

/* Looks for @name in the folders of @list (":" between them). Returns 0, -ENOENT or -ENOMEM. */
static int find_program(const char *root, const char *list, const char *name, char **ret_path) {
	while (*list != '\0') {
		size_t length = strcspn(list, ":");
		char *path;

		if (asprintf(&path, "%.*s/%s", (int)length, list, name) < 0)
			return -ENOMEM;
		if (list[0] == '/' && root_has(root, path)) {
			*ret_path = path;
			return 0;
		}
		free(path);
		list += length + (list[length] == ':');
	}
	return -ENOENT;
}

/* The same in the folders where systemd looks for it: each ExecSearchPath= adds to them. */
static int search_program(const struct conversion *v, const char *root, char **ret_path) {
	const struct unit_settings *s = &v->unit->settings;
	const struct unit_setting *i = unit_next(s, "ExecSearchPath", NULL);
	int r = -ENOENT;

	if (!i)
		return find_program(root, SEARCH_PATH, v->line.path, ret_path);
	for (; r == -ENOENT && i; i = unit_next(s, "ExecSearchPath", i))
		r = find_program(root, i->value, v->line.path, ret_path);
	return r;
}

/* The program's whole path, and its word for the line. */
static int make_command(struct conversion *v, const char *root, struct text *errors) {
	const char *path = v->line.path;
	struct text t = {0};
	size_t size;
	int r;

	if (path[0] == '/') {
		v->path = strdup(path);
		r = v->path ? 0 : -ENOMEM;
	} else {
		r = search_program(v, root, &v->path);
	}
	if (r == -ENOENT) {
		text_addf(errors, "its program %s is in none of the folders where systemd looks",
			  path);
		return -EPERM;
	}
	if (r < 0)
		return r;
	/* Each character is written with at most four. */
	size = 4 * strlen(v->path) + 3;
	v->command = malloc(size);
	if (!v->command)
		return -ENOMEM;
	v->command[0] = '\0';
	t = (struct text){.data = v->command, .size = size};
	/* A '$' is none of a variable in the first word of a line; behind "--" it would be. */
	unit_word_add(&t, v->path, v->line.has_no_variables ? 0 : UNIT_WORD_DOLLAR);
	return 0;
}

/* What cannot be ------------------------------------------------------------------------------ */

/* The reason, or NULL. */
static const char *reason_against(const struct conversion *v) {
	const struct unit_settings *s = &v->unit->settings;
	const struct exec_line *e = &v->line;

	if (strcmp(base_of(e->path), "sdwd") == 0)
		return "it runs sdwd already; where sdwdctl wrapped it, sdwdctl unwrap it first";
	if (v->type == UNIT_TYPE_MAX)
		return "its Type= is not known here";
	if (v->type == UNIT_DBUS && !unit_value(s, "BusName", NULL))
		return "Type=dbus, and it names no BusName=";
	if (strcmp(unit_value(s, "ExitType", "main"), "cgroup") == 0)
		return "ExitType=cgroup: it lives on when its first process ends, and sdwd ends "
		       "with "
		       "that one";
	if (e->is_shell)
		return "its command is run by a shell (\"|\"): write the shell into ExecStart= "
		       "first";
	/* A variable of its own is split into words, and within another word none at all. */
	if (e->argv0 && e->argv0[0] == '$' && e->argv0[1] != '{' && e->argv0[1] != '$' &&
	    !e->has_no_variables)
		return "its \"@\" takes the name from a variable; write ${NAME} instead";
	return NULL;
}

/* Takes the one command apart. Returns 0, -EPERM with the reason, or -ENOMEM. */
static int read_command(struct conversion *v, struct text *errors) {
	const struct unit_settings *s = &v->unit->settings;
	const struct unit_setting *first = unit_next(s, "ExecStart", NULL);
	const char *reason = NULL;
	int r;

	if (!first) {
		text_add(errors, "it has no ExecStart=: there is no process to watch");
		return -EPERM;
	}
	if (v->type == UNIT_ONESHOT)
		reason = "Type=oneshot: it does its work and ends, there is nothing to watch";
	else if (unit_next(s, "ExecStart", first))
		reason = "it has several ExecStart=, and sdwd watches one command";
	if (reason) {
		text_add(errors, reason);
		return -EPERM;
	}
	r = exec_line_parse(&v->line, first->value);
	if (r == -ENOMEM)
		return r;
	reason = r == -E2BIG ? "its ExecStart= has several commands (\";\"), and sdwd watches one"
		 : r < 0     ? "its ExecStart= is no command line that systemd reads"
			     : reason_against(v);
	if (reason) {
		text_add(errors, reason);
		return -EPERM;
	}
	return 0;
}

int conversion_init(struct conversion *v, const struct unit *u, const struct words *options,
		    const char *root, struct text *errors) {
	int r;

	*v = (struct conversion){.unit = u, .type = unit_type(&u->settings)};
	r = read_command(v, errors);
	if (r == 0)
		r = make_command(v, root, errors);
	if (r == 0)
		r = make_options(v, options);
	if (r == -E2BIG) {
		text_add(errors, "the options are too long");
		r = -EPERM;
	}
	if (r < 0)
		conversion_done(v);
	return r;
}

void conversion_done(struct conversion *v) {
	exec_line_done(&v->line);
	free(v->path);
	free(v->options);
	free(v->command);
	words_done(&v->words);
	*v = (struct conversion){0};
}
