/* SPDX-License-Identifier: MIT */
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec_line.h"
#include "root.h"
#include "unit_words.h"

#define PROBER_INSTALLED SDWD_LIBEXECDIR "/sdwd-prober"

int programs_find_sdwd(const char *root, char path[static PATH_MAX]) {
	static const char *const folders[] = {SDWD_BINDIR, "/usr/bin", "/usr/local/bin"};
	ssize_t n =
		root[0] == '\0' ? readlink("/proc/self/exe", path, PATH_MAX - sizeof("sdwd")) : 0;

	if (n > 0) {
		path[n] = '\0';
		memcpy(strrchr(path, '/') + 1, "sdwd", sizeof("sdwd"));
		if (root_has(root, path))
			return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, PATH_MAX, "%s/sdwd", folders[i]);
		if (root_has(root, path))
			return 0;
	}
	return -ENOENT;
}

/* The path of a prober beside @sdwd. */
static void put_neighbour(const char *sdwd, char path[static PATH_MAX]) {
	const char *slash = strrchr(sdwd, '/');

	snprintf(path, PATH_MAX, "%.*s/sdwd-prober", slash ? (int)(slash - sdwd) : 0, sdwd);
}

void programs_find_prober(const char *root, const char *sdwd, char path[static PATH_MAX]) {
	put_neighbour(sdwd, path);
	if (!root_has(root, path))
		snprintf(path, PATH_MAX, "%s", PROBER_INSTALLED);
}

/* Where @path comes from, if @word of BindPaths= ("SOURCE:DESTINATION:OPTIONS") brings it. */
static bool is_bound(const char *word, const char *path, char source[static PATH_MAX]) {
	const char *from = word + (word[0] == '-'), *to = from;
	size_t from_length = strcspn(from, ":"), length;

	if (from[from_length] == ':')
		to = from + from_length + 1;
	length = strcspn(to, ":");
	while (length > 0 && to[length - 1] == '/')
		length--;
	if (strncmp(path, to, length) != 0 || (path[length] != '/' && path[length] != '\0'))
		return false;
	snprintf(source, PATH_MAX, "%.*s%s", (int)from_length, from, path + length);
	return true;
}

/* True where one of the @words, a line of BindPaths= of @unit, brings @path. */
static bool brings(const char *words, const char *unit, const char *root, const char *path) {
	char expanded[PATH_MAX], source[PATH_MAX], *word;
	bool is_there = false;

	while (!is_there && unit_word_next(&words, &word) > 0) {
		struct text t = TEXT_OVER(expanded);

		exec_line_expand(&t, word, unit);
		is_there = is_bound(expanded, path, source) && root_has(root, source);
		free(word);
	}
	return is_there;
}

/* True where the folder of RootDirectory= has @path, whose links begin there. */
static bool is_inside(const struct unit *u, const char *root, const char *path) {
	char folder[PATH_MAX], inner[PATH_MAX];
	struct text t = TEXT_OVER(folder);

	exec_line_expand(&t, unit_value(&u->settings, "RootDirectory", ""), u->name);
	return root_enter(root, folder, inner) == 0 && root_has(inner, path);
}

/* True where @path is there for the unit, in its RootDirectory= or bound into it. */
static bool sees(const struct unit *u, const char *root, const char *path) {
	const struct unit_settings *s = &u->settings;
	bool is_there = false;

	/* To systemd BindPaths= and BindReadOnlyPaths= are one list: an empty one forgets both. */
	for (size_t i = 0; i < s->n_items; i++) {
		const struct unit_setting *item = &s->items[i];

		if (strcmp(item->section, "Service") != 0 ||
		    (strcmp(item->name, "BindPaths") != 0 &&
		     strcmp(item->name, "BindReadOnlyPaths") != 0))
			continue;
		is_there = item->value[0] != '\0' &&
			   (is_there || brings(item->value, u->name, root, path));
	}
	return is_there || is_inside(u, root, path);
}

static bool needs_prober(const struct conf *c) {
	for (size_t i = 0; c && i < c->n_probes; i++)
		if (conf_needs_prober(c->probes[i]))
			return true;
	return false;
}

bool programs_miss(const struct unit *u, const char *root, const char *sdwd, const struct conf *c,
		   char path[static PATH_MAX]) {
	/* One without a path systemd looks for. */
	if (!unit_value(&u->settings, "RootDirectory", NULL) || sdwd[0] != '/')
		return false;
	snprintf(path, PATH_MAX, "%s", sdwd);
	if (!sees(u, root, path))
		return true;
	if (!needs_prober(c))
		return false;
	put_neighbour(sdwd, path);
	if (sees(u, root, path))
		return false;
	snprintf(path, PATH_MAX, "%s", PROBER_INSTALLED);
	return !sees(u, root, path);
}
