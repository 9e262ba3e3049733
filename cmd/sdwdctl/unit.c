/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/optab.h"
#include "root.h"

#define NAME_LENGTH_MAX 255

int unit_add_file(struct unit *u, const char *path) {
	char **files = reallocarray(u->files, u->n_files + 2, sizeof(*files));

	if (!files)
		return -ENOMEM;
	u->files = files;
	files[u->n_files] = strdup(path);
	if (!files[u->n_files])
		return -ENOMEM;
	files[++u->n_files] = NULL;
	return 0;
}

int unit_complete_name(const char *name, char **ret_name, struct text *error) {
	static const char *const others[] = {"socket", "timer", "target", "mount", "automount",
					     "swap",   "path",  "slice",  "scope", "device"};
	char quoted[OPT_QUOTED_MAX];
	const char *dot = strrchr(name, '.');
	bool is_whole = dot && strcmp(dot, ".service") == 0;

	for (size_t i = 0; dot && i < ARRAY_SIZE(others); i++)
		if (strcmp(dot + 1, others[i]) == 0) {
			text_addf(error, "%s is no service", opt_quoted(quoted, name));
			return -EINVAL;
		}
	if (name[0] == '\0' || name[0] == '.' ||
	    strlen(name) > NAME_LENGTH_MAX - strlen(".service") ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      ":-_.\\@")] != '\0') {
		text_addf(error, "%s is not the name of a unit", opt_quoted(quoted, name));
		return -EINVAL;
	}
	if (asprintf(ret_name, "%s%s", name, is_whole ? "" : ".service") < 0) {
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static int read_files(struct unit *u, const char *root, struct text *error) {
	for (size_t i = 0; i < u->n_files; i++) {
		char *data = NULL;
		size_t length;
		int r = root_read(root, u->files[i], &data, &length);

		/* A drop-in may be gone since the manager looked, or be masked. */
		if (i > 0 && (r == -ENOENT || r == -ENODEV))
			continue;
		if (r == 0)
			r = unit_settings_read(&u->settings, data, length);
		free(data);
		if (r < 0) {
			text_addf(error, "cannot read %s%s: %s", root, u->files[i], strerror(-r));
			return r;
		}
	}
	return 0;
}

/*
 * The manager tells which files it has read, and what wrap makes is read with those that are there
 * then.  NeedDaemonReload does not say that there are others: not of a drop-in in a new folder.  So
 * they are searched again, and its list holds where that does not succeed.
 */
static void renew_files(struct unit *u) {
	char ignored[1024];
	struct text error = TEXT_OVER(ignored);
	struct unit now = {.name = strdup(u->name)};

	if (now.name && unit_search_files(&now, "", &error) == 0) {
		char **files = u->files;
		size_t n_files = u->n_files;

		u->files = now.files;
		u->n_files = now.n_files;
		now.files = files;
		now.n_files = n_files;
	}
	unit_done(&now);
}

int unit_load(struct unit *u, const char *name, const char *root, struct text *error) {
	int r;

	*u = (struct unit){0};
	r = unit_complete_name(name, &u->name, error);
	/* The manager knows no template, only what is made of one. */
	if (r == 0 && root[0] == '\0' && !strstr(u->name, "@."))
		r = unit_ask_manager(u, error);
	if (r > 0)
		renew_files(u);
	else if (r == 0)
		r = unit_search_files(u, root, error);
	if (r >= 0)
		r = read_files(u, root, error);
	if (r < 0)
		unit_done(u);
	return r;
}

void unit_done(struct unit *u) {
	for (size_t i = 0; i < u->n_files; i++)
		free(u->files[i]);
	free(u->files);
	free(u->name);
	unit_settings_done(&u->settings);
	*u = (struct unit){0};
}
