/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir.h"
#include "root.h"
#include "unit.h"
#include "unit_names.h"

/*
 * systemd.unit(5): drop-ins come from all folders of units; of two with the same name the one of
 * the earlier folder wins, within a folder the one of the more special name, and those of
 * "service.d" are the last.  All are read in the order of their names.
 */

/* Drop-ins found: where, and the name that they are sorted by. */
struct drop_ins {
	struct drop_in {
		char *path;
		const char *name; /* in path */
	} * items;
	size_t n_items;
};

static bool has_drop_in(const struct drop_ins *d, const char *name) {
	for (size_t i = 0; i < d->n_items; i++)
		if (strcmp(d->items[i].name, name) == 0)
			return true;
	return false;
}

/* Adds the "*.conf" of @folder/@unit.d whose names are not there yet. */
static int add_drop_ins(struct drop_ins *d, const char *root, const char *folder,
			const char *unit) {
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *list;
	int r;

	snprintf(path, sizeof(path), "%s/%s.d", folder, unit);
	r = root_list(root, path, &list);
	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	while (r == 0 && (r = dir_next(list, &entry)) == 0 && entry) {
		size_t length = strlen(entry->d_name);
		struct drop_in *items;
		char *whole;

		if (entry->d_name[0] == '.' || length < strlen(".conf") ||
		    strcmp(entry->d_name + length - strlen(".conf"), ".conf") != 0 ||
		    has_drop_in(d, entry->d_name))
			continue;
		items = reallocarray(d->items, d->n_items + 1, sizeof(*items));
		if (items)
			d->items = items;
		if (!items || asprintf(&whole, "%s/%s", path, entry->d_name) < 0) {
			r = -ENOMEM;
			break;
		}
		items[d->n_items++] = (struct drop_in){whole, strrchr(whole, '/') + 1};
	}
	closedir(list);
	return r;
}

/*
 * Calls add_drop_ins() for @unit, then for what its name is part of: "a-b-c.service",
 * "a-b-.service", "a-.service"; for an instance "a-b@x.service", all of its template,
 * "a-@x.service", and for a template "a-b@.service", "a-.service" and "a-@.service".
 */
static int add_of_name(struct drop_ins *d, const char *root, const char *folder, const char *unit) {
	const char *dot = strrchr(unit, '.'), *at = strchr(unit, '@');
	bool is_template = at && at + 1 == dot;
	size_t prefix = (size_t)((at ? at : dot) - unit);
	char name[NAME_MAX + 1];
	int r = add_drop_ins(d, root, folder, unit);

	if (r == 0 && at && !is_template) {
		snprintf(name, sizeof(name), "%.*s@%s", (int)prefix, unit, dot);
		r = add_of_name(d, root, folder, name);
	}
	if (prefix > 0 && unit[prefix - 1] == '-')
		prefix--;
	while (prefix > 0 && unit[prefix - 1] != '-')
		prefix--;
	if (r < 0 || prefix == 0)
		return r;
	snprintf(name, sizeof(name), "%.*s%s", (int)prefix, unit, at && !is_template ? at : dot);
	r = add_of_name(d, root, folder, name);
	if (r < 0 || !is_template)
		return r;
	snprintf(name, sizeof(name), "%.*s@%s", (int)prefix, unit, dot);
	return add_of_name(d, root, folder, name);
}

static int compare(const void *a, const void *b) {
	return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

/* The drop-ins of all the unit's @names, sorted, to u->files. */
static int find_drop_ins(struct unit *u, const char *root, const struct words *names) {
	struct drop_ins d = {0};
	int r = 0;

	/* All of the unit's own name before any of an alias. */
	for (size_t n = 0; r == 0 && n < names->n_items; n++)
		for (size_t f = 0; r == 0 && unit_folders[f]; f++)
			r = add_of_name(&d, root, unit_folders[f], names->items[n]);
	for (size_t f = 0; r == 0 && unit_folders[f]; f++)
		r = add_drop_ins(&d, root, unit_folders[f], "service");
	if (d.n_items > 0)
		qsort(d.items, d.n_items, sizeof(*d.items), compare);
	for (size_t i = 0; i < d.n_items; i++) {
		if (r == 0)
			r = unit_add_file(u, d.items[i].path);
		free(d.items[i].path);
	}
	free(d.items);
	return r;
}

int unit_search_files(struct unit *u, const char *root, struct text *error) {
	struct words names;
	char path[PATH_MAX];
	int r = unit_names_find(&names, u->name, root, path);

	if (r == 0)
		r = unit_add_file(u, path);
	if (r == 0)
		r = find_drop_ins(u, root, &names);
	if (r == 0) {
		char *asked = u->name;

		u->name = names.items[0];
		names.items[0] = asked;
	} else if (r == -ENOENT) {
		text_addf(error, "there is no unit %s%s%s", u->name, root[0] != '\0' ? " in " : "",
			  root);
	} else if (r == -ESHUTDOWN) {
		text_addf(error, "%s is masked", u->name);
	} else {
		text_addf(error, "cannot read the files of %s: %s", u->name, strerror(-r));
	}
	words_done(&names);
	return r;
}
