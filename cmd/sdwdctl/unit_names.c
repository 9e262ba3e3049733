/* SPDX-License-Identifier: MIT */
/*
 * systemd.unit(5): the first folder that has a file of the unit's name wins.  Where it is a link
 * into a folder of units, the unit has the name that it leads to, and the link's own besides: every
 * unit has the names of all links that end at it.  What a template is called besides, its instances
 * are as well.
 */
#include "unit_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "root.h"

/* As many links as systemd follows. */
#define LINKS_MAX 8

const char *const unit_folders[] = {
	"/etc/systemd/system.control", "/run/systemd/system.control",
	"/run/systemd/transient",      "/run/systemd/generator.early",
	"/etc/systemd/system",         "/etc/systemd/system.attached",
	"/run/systemd/system",         "/run/systemd/system.attached",
	"/run/systemd/generator",      "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system",     "/lib/systemd/system",
	"/run/systemd/generator.late", NULL,
};

/* One name --------------------------------------------------------------------------------- */

static bool is_service(const char *name) {
	size_t length = strlen(name), n = strlen(".service");

	return length > n && length <= NAME_MAX && strcmp(name + length - n, ".service") == 0;
}

static bool is_template(const char *name) {
	const char *at = strchr(name, '@');

	return at && at + 1 == strrchr(name, '.');
}

static bool is_instance(const char *name) {
	return strchr(name, '@') && !is_template(name);
}

/* Makes @ret_name of @template the same instance as @unit is of its own. False: it is too long. */
static bool make_instance(const char *template, const char *unit,
			  char ret_name[static NAME_MAX + 1]) {
	int n = snprintf(ret_name, NAME_MAX + 1, "%.*s%s", (int)strcspn(template, "@"), template,
			 strchr(unit, '@'));

	return n > 0 && n <= NAME_MAX;
}

/* The template that @unit is an instance of, into @name. False: it is none. */
static bool make_template(const char *unit, char name[static NAME_MAX + 1]) {
	if (!is_instance(unit))
		return false;
	snprintf(name, NAME_MAX + 1, "%.*s@%s", (int)strcspn(unit, "@"), unit, strrchr(unit, '.'));
	return true;
}

/* May a unit @target be called @link? systemd does not see links between others. */
static bool may_be_called(const char *target, const char *link) {
	if (is_instance(link))
		return is_template(target) ||
		       (is_instance(target) && strcmp(strchr(link, '@'), strchr(target, '@')) == 0);
	return !is_instance(target) && is_template(link) == is_template(target);
}

/* Links ------------------------------------------------------------------------------------ */

/* True where the folder @path is one of units, perhaps by another way. */
static bool is_unit_folder(const char *root, const char *path) {
	cleanup(fd_closep) int fd = -1;
	struct stat wanted, st;

	for (size_t f = 0; unit_folders[f]; f++)
		if (strcmp(path, unit_folders[f]) == 0)
			return true;
	fd = root_open(root, path, O_PATH | O_DIRECTORY);
	if (fd < 0 || fstat(fd, &wanted) < 0)
		return false;
	for (size_t f = 0; unit_folders[f]; f++) {
		cleanup(fd_closep) int other =
			root_open(root, unit_folders[f], O_PATH | O_DIRECTORY);

		if (other >= 0 && fstat(other, &st) == 0 && st.st_dev == wanted.st_dev &&
		    st.st_ino == wanted.st_ino)
			return true;
	}
	return false;
}

/*
 * The unit's file @path in @folder: where it is a link to another unit, that one's name into @alias
 * (empty: it is none). Returns 0, -ENOENT where systemd would see nothing there, -ESHUTDOWN for a
 * mask, or another negative errno.
 */
static int read_alias(const char *root, const char *folder, const char *path, const char *unit,
		      char alias[static NAME_MAX + 1]) {
	cleanup(fd_closep) int fd = root_open(root, path, O_PATH | O_NOFOLLOW);
	char target[PATH_MAX], whole[2 * PATH_MAX], *base;
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
	snprintf(whole, sizeof(whole), "%s%s%s", target[0] == '/' ? "" : folder,
		 target[0] == '/' ? "" : "/", target);
	base = strrchr(whole, '/');
	*base++ = '\0';
	if (strcmp(base, unit) == 0)
		return 0;
	/* A link out of the folders of units is none to another unit. */
	if (!is_unit_folder(root, whole))
		return root_has(root, path) ? 0 : -ENOENT;
	if (!is_service(base) || !may_be_called(base, unit))
		return -ENOENT;
	memcpy(alias, base, strlen(base) + 1);
	return 0;
}

/* Finds the file of @unit. @path gets it; @alias as read_alias(). Returns as that does. */
static int find_file(const char *root, const char *unit, char path[static PATH_MAX],
		     char alias[static NAME_MAX + 1]) {
	int r = -ENOENT;

	for (size_t f = 0; r == -ENOENT && unit_folders[f]; f++) {
		snprintf(path, PATH_MAX, "%s/%s", unit_folders[f], unit);
		r = read_alias(root, unit_folders[f], path, unit, alias);
	}
	return r;
}

/* From one link to the next, to the file itself, @path, and its unit's name, @real. Returns 0 or a
 * negative errno. */
static int follow(const char *root, const char *unit, char real[static NAME_MAX + 1],
		  char path[static PATH_MAX]) {
	char alias[NAME_MAX + 1], template[NAME_MAX + 1];

	snprintf(real, NAME_MAX + 1, "%s", unit);
	for (int n = 0; n < LINKS_MAX; n++) {
		int r = find_file(root, real, path, alias);

		if (r == -ENOENT && make_template(real, template))
			r = find_file(root, template, path, alias);
		if (r < 0)
			return r;
		if (alias[0] != '\0') {
			memcpy(real, alias, strlen(alias) + 1);
			continue;
		}
		if (!is_instance(unit) || !is_template(real))
			return 0;
		memcpy(template, real, strlen(real) + 1);
		return make_instance(template, unit, real) ? 0 : -ENAMETOOLONG;
	}
	return -ELOOP;
}

/* All names -------------------------------------------------------------------------------- */

/* Adds @name, unless it is there. Returns 0 or -ENOMEM. */
static int add(struct words *n, const char *name) {
	for (size_t i = 0; i < n->n_items; i++)
		if (strcmp(n->items[i], name) == 0)
			return 0;
	return words_add(n, name);
}

/* Adds what the link @link calls the unit, if it ends there. Returns 0 or -ENOMEM. */
static int add_link(struct words *n, const char *root, const char *link) {
	char name[NAME_MAX + 1], real[NAME_MAX + 1], path[PATH_MAX];
	const char *unit = n->items[0];

	if (is_instance(unit) && is_template(link)) {
		/* This instance may have a link of its own, which leads elsewhere. */
		if (!make_instance(link, unit, name))
			return 0;
	} else if (may_be_called(unit, link)) {
		snprintf(name, sizeof(name), "%s", link);
	} else {
		return 0;
	}
	return follow(root, name, real, path) == 0 && strcmp(real, unit) == 0 ? add(n, name) : 0;
}

/* The same of all links in @folder. Returns 0 or a negative errno. */
static int add_links(struct words *n, const char *root, const char *folder) {
	const struct dirent *entry;
	DIR *list;
	int r = root_list(root, folder, &list);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	while (r == 0 && (r = dir_next(list, &entry)) == 0 && entry)
		if ((entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
		    is_service(entry->d_name))
			r = add_link(n, root, entry->d_name);
	closedir(list);
	return r;
}

int unit_names_find(struct words *n, const char *name, const char *root,
		    char path[static PATH_MAX]) {
	char real[NAME_MAX + 1];
	int r = follow(root, name, real, path);

	*n = (struct words){0};
	if (r == 0)
		r = add(n, real);
	for (size_t f = 0; r == 0 && unit_folders[f]; f++)
		r = add_links(n, root, unit_folders[f]);
	return r;
}
