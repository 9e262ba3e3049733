/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "root.h"
#include "unit.h"

/*
 * systemd.unit(5), UNIT FILE LOAD PATH: the first folder that has the unit's file wins.  Drop-ins
 * come from all of them; of two with the same name the one of the earlier folder wins, within a
 * folder the one of the more special name, and those of "service.d" are the last.  All are read in
 * the order of their names.
 */
static const char *const folders[] = {
	"/etc/systemd/system.control", "/run/systemd/system.control",
	"/run/systemd/transient",      "/run/systemd/generator.early",
	"/etc/systemd/system",         "/etc/systemd/system.attached",
	"/run/systemd/system",         "/run/systemd/system.attached",
	"/run/systemd/generator",      "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system",     "/lib/systemd/system",
	"/run/systemd/generator.late",
};

#define ALIASES_MAX 8

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
	cleanup(fd_closep) int fd = -1;
	struct dirent *entry;
	DIR *list;
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s.d", folder, unit);
	fd = root_open(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	list = fdopendir(fd);
	if (!list)
		return -errno;
	(void)fd_take(&fd);
	while (r == 0 && (entry = readdir(list))) {
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
static int find_drop_ins(struct unit *u, const char *root, char *const *names, size_t n_names) {
	struct drop_ins d = {0};
	int r = 0;

	/* All of the unit's own name, which is the last, before any of an alias. */
	for (size_t n = n_names; r == 0 && n > 0; n--)
		for (size_t f = 0; r == 0 && f < ARRAY_SIZE(folders); f++)
			r = add_of_name(&d, root, folders[f], names[n - 1]);
	for (size_t f = 0; r == 0 && f < ARRAY_SIZE(folders); f++)
		r = add_drop_ins(&d, root, folders[f], "service");
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

/* The unit's file @path, in @root: where it is a link to another unit, that one's name into @alias
 * (empty: it is none). Returns 0 or a negative errno. */
static int read_alias(const char *root, const char *path, const char *unit,
		      char alias[static NAME_MAX + 1]) {
	cleanup(fd_closep) int fd = root_open(root, path, O_PATH | O_NOFOLLOW);
	char target[PATH_MAX];
	const char *base;
	ssize_t n;

	alias[0] = '\0';
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	if (strcmp(target, "/dev/null") == 0)
		return -ESHUTDOWN;
	base = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strlen(base) > strlen(".service") && strlen(base) <= NAME_MAX &&
	    strcmp(base, unit) != 0 &&
	    strcmp(base + strlen(base) - strlen(".service"), ".service") == 0)
		memcpy(alias, base, strlen(base) + 1);
	return 0;
}

/* Finds the file of @unit. @path gets it; @alias as read_alias(). Returns 0 or a negative errno. */
static int find_file(const char *root, const char *unit, char path[static PATH_MAX],
		     char alias[static NAME_MAX + 1]) {
	int r = -ENOENT;

	for (size_t f = 0; r == -ENOENT && f < ARRAY_SIZE(folders); f++) {
		snprintf(path, PATH_MAX, "%s/%s", folders[f], unit);
		r = read_alias(root, path, unit, alias);
	}
	return r;
}

/* The template that @unit is an instance of, into @name. False: it is none. */
static bool make_template(const char *unit, char name[static NAME_MAX + 1]) {
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	if (!at || at + 1 == dot)
		return false;
	snprintf(name, NAME_MAX + 1, "%.*s@%s", (int)(at - unit), unit, dot);
	return true;
}

/* Makes @alias, where it is a template and @unit an instance, the same instance of it. False: @unit
 * has no other name. */
static bool keep_instance(const char *unit, char alias[static NAME_MAX + 1]) {
	const char *at = strchr(unit, '@'), *end = strstr(alias, "@.");
	char name[NAME_MAX + 1];
	int n;

	if (at && at[1] != '.' && end) {
		n = snprintf(name, sizeof(name), "%.*s%s", (int)(end - alias), alias, at);
		if (n < 0 || (size_t)n >= sizeof(name))
			return false;
		memcpy(alias, name, (size_t)n + 1);
	}
	return alias[0] != '\0' && strcmp(alias, unit) != 0;
}

int unit_search_files(struct unit *u, const char *root, struct text *error) {
	char path[PATH_MAX], found[PATH_MAX], alias[NAME_MAX + 1], template[NAME_MAX + 1];
	char *names[ALIASES_MAX] = {0};
	size_t n_names = 0;
	int r = 0;

	/* From one alias to the next, to the file itself. */
	while (r == 0 && n_names < ALIASES_MAX) {
		names[n_names] = strdup(n_names == 0 ? u->name : alias);
		if (!names[n_names]) {
			r = -ENOMEM;
			break;
		}
		r = find_file(root, names[n_names], found, alias);
		if (r == -ENOENT && make_template(names[n_names], template))
			r = find_file(root, template, found, alias);
		/* A link out of the folders of units is none to another unit. */
		if (r == -ENOENT && n_names > 0 && root_has(root, path)) {
			free(names[n_names]);
			r = 0;
			break;
		}
		memcpy(path, found, strlen(found) + 1);
		n_names++;
		/* What a template is called besides, its instances are. */
		if (!keep_instance(names[n_names - 1], alias))
			break;
	}
	if (r == 0)
		r = unit_add_file(u, path);
	if (r == 0)
		r = find_drop_ins(u, root, names, n_names);
	if (r == 0) {
		free(u->name);
		u->name = names[--n_names];
	} else if (r == -ENOENT) {
		text_addf(error, "there is no unit %s%s%s", u->name, root[0] != '\0' ? " in " : "",
			  root);
	} else if (r == -ESHUTDOWN) {
		text_addf(error, "%s is masked", u->name);
	} else {
		text_addf(error, "cannot read the files of %s: %s", u->name, strerror(-r));
	}
	while (n_names > 0)
		free(names[--n_names]);
	return r;
}
