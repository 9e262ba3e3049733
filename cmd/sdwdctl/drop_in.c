/* SPDX-License-Identifier: MIT */
#include "drop_in.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "convert.h"
#include "programs.h"
#include "unit_words.h"

/* W where neither the unit nor the user names one: that of the units of sdwd. */
#define WATCHDOG_DEFAULT (30 * USEC_PER_SEC)

#define MARK "# Made by sdwdctl wrap: "
#define FOLDER_MADE "folder made"
#define FOLDER_FOUND "folder found"

/* FNV-1a: tells a file that somebody edited, not one that somebody forged. */
static uint64_t sum_of(const char *text) {
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return sum;
}

/* The list ExecPaths= of a unit that may execute nothing else. */
static void add_exec_paths(struct text *t, const struct drop_in_wish *wish, const struct conf *c) {
	bool needs_prober = false;

	for (size_t i = 0; i < c->n_probes; i++)
		needs_prober |= conf_needs_prober(c->probes[i]) != NULL;
	text_addf(t, "ExecPaths=%s%s%s\n", wish->sdwd, needs_prober ? " -" : "",
		  needs_prober ? wish->prober : "");
}

/* True where @name can stand as a value in a unit file, which has no quotes for it. */
static bool is_plain(const char *name) {
	size_t length = strlen(name);

	return length > 0 && text_is_clean(name, length) && name[0] != ' ' &&
	       name[length - 1] != ' ' && name[length - 1] != '\\';
}

/* What the unit says of itself besides its command. */
static void add_settings(struct text *t, const struct conversion *v,
			 const struct drop_in_wish *wish, const struct conf *c) {
	const struct unit_settings *s = &v->unit->settings;
	const char *name =
		strrchr(v->line.path, '/') ? strrchr(v->line.path, '/') + 1 : v->line.path;
	char usec[USEC_STR_MAX];

	text_addf(t, "Type=%s\n", v->type == UNIT_NOTIFY_RELOAD ? "notify-reload" : "notify");
	/* "exec" is main, and the commands of ExecStartPost= and the like: the service has no
	 * part in it. */
	if (strcmp(unit_value(s, "NotifyAccess", "none"), "exec") != 0)
		text_add(t, "NotifyAccess=main\n");
	/* Under another type than forking systemd would take the file's process for the main one
	 * behind ExecStartPost=. */
	if (unit_value(s, "PIDFile", NULL))
		text_add(t, "PIDFile=\n");
	if (v->is_watchdog_set)
		text_addf(t, "WatchdogSec=%s\n", usec_str(usec, v->watchdog_usec));
	if (strcmp(unit_value(s, "Restart", "no"), "no") == 0)
		text_add(t, "Restart=on-failure\n");
	text_add(t, "RestartPreventExitStatus=125 126 127\n");
	if (strcmp(unit_value(s, "KillMode", "control-group"), "control-group") == 0)
		text_add(t, "KillMode=mixed\n");
	if (!unit_value(s, "SyslogIdentifier", NULL) && is_plain(name))
		text_addf(t, "SyslogIdentifier=%s\n", name);
	if (unit_is_strict(s))
		text_add(t, "ReadWritePaths=-/run/sdwd\n");
	if (unit_next(s, "NoExecPaths", NULL))
		add_exec_paths(t, wish, c);
}

/* Another root folder has another /usr/bin. @c: the options, NULL while they are not known. Returns
 * 0, or -EPERM with the reason. */
static int check_root(const struct unit *u, const struct drop_in_wish *wish, const struct conf *c,
		      struct text *errors) {
	char path[PATH_MAX];

	if (unit_value(&u->settings, "RootImage", NULL)) {
		text_add(errors,
			 "RootImage=: whether sdwd is in that image cannot be seen from here");
		return -EPERM;
	}
	if (!programs_miss(u, wish->root, wish->sdwd, c, path))
		return 0;
	text_addf(errors, "RootDirectory=%s: there is no %s in it; install %s there first",
		  unit_value(&u->settings, "RootDirectory", ""), path,
		  strcmp(path, wish->sdwd) == 0 ? "sdwd" : "sdwd-prober");
	return -EPERM;
}

/* Reads the options of the new line, all of them, as sdwd will. */
static int check_options(const struct conversion *v, const struct drop_in_wish *wish,
			 struct conf *c, struct text *errors) {
	const char *const command[] = {v->path, NULL};

	return sdwd_options_read(c, &v->words, command, v->unit->name, v->watchdog_usec, wish->root,
				 errors);
}

static void add_notes(struct text *notes, const struct conf *c) {
	if (c->n_probes == 0)
		text_add(notes, "no probe is named: the process alone is watched, and a hang is "
				"not seen\n");
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct probe_conf *p = c->probes[i];
		const char *note = p->kind->note ? p->kind->note(p->settings) : NULL;

		if (note)
			text_addf(notes, "%s: %s\n", p->name, note);
	}
}

int drop_in_make(const struct unit *u, const struct drop_in_wish *wish, struct text *t,
		 struct text *notes, struct text *errors) {
	struct conversion v;
	struct conf c = {0};
	char *body, name[UNIT_SHELL_MAX];
	struct text b;
	int r = check_root(u, wish, NULL, errors);

	if (r == 0)
		r = conversion_init(&v, u, wish->options, wish->root, errors);
	if (r < 0)
		return r;
	v.watchdog_usec = unit_watchdog_usec(&u->settings);
	v.is_watchdog_set = v.watchdog_usec == 0 || wish->watchdog_usec > 0;
	if (v.is_watchdog_set)
		v.watchdog_usec = wish->watchdog_usec > 0 ? wish->watchdog_usec : WATCHDOG_DEFAULT;
	body = malloc(DROP_IN_SIZE_MAX);
	if (!body) {
		conversion_done(&v);
		return -ENOMEM;
	}
	b = (struct text){.data = body, .size = DROP_IN_SIZE_MAX};
	body[0] = '\0';

	r = check_options(&v, wish, &c, errors);
	if (r == 0)
		r = check_root(u, wish, &c, errors);
	if (r == 0) {
		text_addf(&b,
			  "# \"sdwdctl unwrap %s\" takes this file away, unless it was changed by "
			  "hand.\n[Service]\nExecStart=\nExecStart=%s%s%s \\\n    -- %s%s%s\n",
			  unit_for_shell(name, u->name), v.line.prefixes, wish->sdwd, v.options,
			  v.command, v.line.rest[0] != '\0' ? " " : "", v.line.rest);
		add_settings(&b, &v, wish, &c);
		add_notes(notes, &c);
		text_addf(t, MARK "%s, %016" PRIx64 "\n%s",
			  wish->is_folder_new ? FOLDER_MADE : FOLDER_FOUND, sum_of(body), body);
		if (b.is_cut || t->is_cut) {
			text_add(errors, "its command line is too long");
			r = -EPERM;
		}
	}
	free(body);
	conf_done(&c);
	conversion_done(&v);
	return r;
}

enum drop_in_origin drop_in_origin(const char *text, bool *ret_is_folder_ours) {
	const char *end = strchr(text, '\n'), *sum;
	char mark[64];

	*ret_is_folder_ours = false;
	if (strncmp(text, MARK, strlen(MARK)) != 0 || !end)
		return DROP_IN_FOREIGN;
	*ret_is_folder_ours = strncmp(text + strlen(MARK), FOLDER_MADE, strlen(FOLDER_MADE)) == 0;
	snprintf(mark, sizeof(mark), ", %016" PRIx64 "\n", sum_of(end + 1));
	sum = strchr(text, ',');
	return sum && strncmp(sum, mark, strlen(mark)) == 0 ? DROP_IN_OURS : DROP_IN_CHANGED;
}

int drop_in_path(const char *unit, char *path, size_t size) {
	int n = snprintf(path, size, DROP_IN_FOLDER "/%s.d/" DROP_IN_NAME, unit);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
