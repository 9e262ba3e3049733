/* SPDX-License-Identifier: MIT */
/* What a unit locks away, against what sdwd and its probes need. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/words.h"
#include "convert.h"
#include "finding.h"
#include "programs.h"
#include "root.h"
#include "unit_words.h"

static bool is(const struct findings *f, const char *name, const char *fallback,
	       const char *value) {
	return strcmp(unit_value(&f->unit->settings, name, fallback), value) == 0;
}

/* Paths ------------------------------------------------------------------------------------ */

/* How much of @path the longest of the paths in the list @name covers. */
static size_t cover(const struct unit_settings *s, const char *name, const char *path) {
	size_t longest = 0;

	for (const struct unit_setting *i = unit_next(s, name, NULL); i;
	     i = unit_next(s, name, i)) {
		const char *p = i->value;
		char *word;

		while (unit_word_next(&p, &word) > 0) {
			const char *folder = word + strspn(word, "-+");
			size_t length = strlen(folder);

			if (strcmp(folder, "/") == 0)
				longest = MAX(longest, (size_t)1);
			else if (strncmp(path, folder, length) == 0 &&
				 (path[length] == '/' || path[length] == '\0'))
				longest = MAX(longest, length);
			free(word);
		}
	}
	return longest;
}

bool is_sandboxed(const struct findings *f) {
	return !strchr(f->prefixes, '+');
}

static void check_program(struct findings *f, const char *path, const char *what) {
	const struct unit_settings *s = &f->unit->settings;
	char line[PATH_MAX + 32];

	if (path[0] != '/' || cover(s, "NoExecPaths", path) <= cover(s, "ExecPaths", path))
		return;
	snprintf(line, sizeof(line), "ExecPaths=%s", path);
	found(f, SERIOUS, line, "NoExecPaths=: %s, %s, cannot be executed", path, what);
}

/* What sdwd and its checks run. */
static void check_programs(struct findings *f) {
	/* wrap adds it. */
	if (f->is_wrapped)
		check_program(f, f->sdwd, "which is sdwd");
	for (size_t i = 0; i < f->conf->n_probes; i++) {
		const struct probe_conf *p = f->conf->probes[i];
		bool needs_shell;
		char **words;

		if (strcmp(p->kind->name, "exec") != 0 ||
		    words_split(p->target, &words, &needs_shell) < 0)
			continue;
		if (needs_shell || !words[0])
			check_program(f, "/bin/sh", "which a check needs");
		else
			check_program(f, words[0], "which is a check");
		words_free(words);
	}
}

static void check_prober(struct findings *f) {
	char path[PATH_MAX];

	for (size_t i = 0; f->is_wrapped && i < f->conf->n_probes; i++)
		if (conf_needs_prober(f->conf->probes[i])) {
			programs_find_prober(f->root, f->sdwd, path);
			check_program(f, path, "which a probe needs");
			return;
		}
}

static void check_root_folder(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;
	char path[PATH_MAX];

	if (unit_value(s, "RootImage", NULL))
		found(f, WARNING, NULL,
		      "RootImage=: sdwd, its prober and the checks must be in that image");
	if (f->sdwd && programs_miss(f->unit, f->root, f->sdwd, f->conf, path))
		found(f, SERIOUS, NULL,
		      "RootDirectory=%s: there is no %s in it, and all paths of probes are taken "
		      "from there",
		      unit_value(s, "RootDirectory", ""), path);
}

static void check_control(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;

	if (f->is_wrapped && unit_is_strict(s) && cover(s, "ReadWritePaths", "/run/sdwd") == 0)
		found(f, NOTE, "ReadWritePaths=-/run/sdwd",
		      "%s: sdwd cannot make its control socket, and sdwdctl status does not see it",
		      unit_yes(s, "DynamicUser") ? "DynamicUser=yes" : "ProtectSystem=strict");
}

/* Processes -------------------------------------------------------------------------------- */

/* Does this system's /proc hide other users' processes by itself? */
static bool proc_is_hiding(const char *root) {
	char *data, *line;
	size_t length;
	bool is_hiding = false;

	if (root[0] != '\0')
		return false;
	FILE *mounts = fopen("/proc/self/mounts", "re");

	if (!mounts)
		return false;
	data = NULL;
	length = 0;
	while (getline(&data, &length, mounts) >= 0) {
		line = strstr(data, " /proc proc ");
		is_hiding |= line && strstr(line, "hidepid=") && !strstr(line, "hidepid=0") &&
			     !strstr(line, "hidepid=off");
	}
	free(data);
	fclose(mounts);
	return is_hiding;
}

/*
 * True where CapabilityBoundingSet= leaves @name in.  Other than with the lists of filters, an
 * empty value is an empty set, "~" alone the whole one, and the first line behind the whole one
 * replaces it.
 */
static bool has_capability(const struct unit_settings *s, const char *name) {
	bool has = true, is_whole = true;

	for (size_t i = 0; i < s->n_items; i++) {
		const struct unit_setting *item = &s->items[i];
		bool is_denying = item->value[0] == '~', is_named = false, is_empty = true;
		const char *p = item->value + is_denying;
		char *word;

		if (strcmp(item->section, "Service") != 0 ||
		    strcmp(item->name, "CapabilityBoundingSet") != 0)
			continue;
		while (unit_word_next(&p, &word) > 0) {
			is_empty = false;
			is_named |= strcasecmp(word, name) == 0;
			free(word);
		}
		if (is_empty || is_whole)
			has = is_named != is_denying;
		else if (is_named)
			has = !is_denying;
		is_whole = is_empty && is_denying;
	}
	return has;
}

/* True where ExecStart= begins with "!", not "!!", which says so only of systems without ambient
 * capabilities. */
static bool keeps_root(const char *prefixes) {
	const char *sign = strchr(prefixes, '!');

	return sign && sign[1] != '!';
}

/*
 * A service that starts as root and may change its user is then another's process: sdwd needs the
 * capability @right to signal it, or to see it. True where the unit takes that away.
 */
static bool may_get_away(const struct findings *f, const char *right) {
	const struct unit_settings *s = &f->unit->settings;
	const char *user = unit_value(s, "User", "root");
	bool is_root =
		keeps_root(f->prefixes) || (!unit_yes(s, "DynamicUser") &&
					    (strcmp(user, "root") == 0 || strcmp(user, "0") == 0));

	return is_root && has_capability(s, "CAP_SETUID") && !has_capability(s, right);
}

static void check_signals(struct findings *f) {
	if (may_get_away(f, "CAP_KILL"))
		found(f, WARNING, "CapabilityBoundingSet=CAP_KILL",
		      "CapabilityBoundingSet= without CAP_KILL: a service that changes its user "
		      "gets no signal from sdwd: each stop takes TimeoutStopSec=, and ends with "
		      "systemd's SIGKILL");
}

static void check_proc(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;
	const char *proc = unit_value(s, "ProtectProc", "default");
	bool is_hidden = strcmp(proc, "default") != 0 || proc_is_hiding(f->root);

	if (is_hidden && may_get_away(f, "CAP_SYS_PTRACE"))
		found(f, WARNING, "ProtectProc=default",
		      "%s: a service that changes its user is hidden from sdwd, which then does "
		      "not find what it leaves behind",
		      strcmp(proc, "default") != 0 ? "ProtectProc="
						   : "/proc is mounted with hidepid=");
	if (is(f, "ProcSubset", "all", "pid") && has_probe(f, "listen-queue") &&
	    !list_allows(s, "RestrictAddressFamilies", "AF_NETLINK", NULL))
		found(f, SERIOUS, "RestrictAddressFamilies=AF_NETLINK",
		      "ProcSubset=pid without AF_NETLINK: --listen-queue sees no sockets at all");
}

static void check_users(struct findings *f) {
	const struct conf *c = f->conf;

	if (unit_yes(&f->unit->settings, "PrivateUsers") &&
	    (c->rtprio > 0 || c->mlock || (c->nice != INT_MAX && c->nice < 0) ||
	     (c->oom_score_adjust != INT_MAX && c->oom_score_adjust < 0)))
		found(f, WARNING, "PrivateUsers=no",
		      "PrivateUsers=yes: sdwd may not raise its own priority (--rtprio, --nice, "
		      "--mlock, --oom-score-adjust)");
}

static void check_selinux(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;
	const char *context = unit_value(s, "SELinuxContext", NULL);
	char *data = NULL;
	size_t length;

	if (context) {
		found(f, WARNING, NULL,
		      "SELinuxContext=%s: sdwd runs in it too, and the policy must let sdwd's file "
		      "be an entry point of it; see SELINUX in sdwd(1)",
		      context);
		return;
	}
	if (f->root[0] != '\0' || root_read("", "/sys/fs/selinux/enforce", &data, &length) < 0)
		return;
	if (data[0] == '1' && unit_yes(s, "NoNewPrivileges"))
		found(f, WARNING, NULL,
		      "NoNewPrivileges=yes under SELinux: behind sdwd the service gets its own "
		      "domain only if the policy has nnp_transition for it; see SELINUX in "
		      "sdwd(1)");
	free(data);
}

void check_sandbox(struct findings *f) {
	check_root_folder(f);
	if (is_sandboxed(f)) {
		check_programs(f);
		check_prober(f);
		check_control(f);
		check_signals(f);
		check_proc(f);
		check_users(f);
	}
	check_selinux(f);
}
