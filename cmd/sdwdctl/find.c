/* SPDX-License-Identifier: MIT */
/* The sockets there are, and the instances among them that somebody means. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/optab.h"
#include "client.h"

/* The most lines that instances_complain() writes of single sockets. */
#define COMPLAINTS_MAX 20

void instance_done(struct instance *i) {
	free(i->path);
	free(i->unit);
	json_object_put(i->status);
	*i = (struct instance){0};
}

void instances_done(struct instances *all) {
	for (size_t at = 0; at < all->n; at++)
		instance_done(all->list + at);
	free(all->list);
	*all = (struct instances){0};
}

static int add(struct instances *all, const char *folder, const char *name, uid_t owner) {
	struct instance *i;

	/* Grows at the powers of two. */
	if ((all->n & (all->n - 1)) == 0) {
		struct instance *more =
			reallocarray(all->list, MAX(all->n * 2, (size_t)1), sizeof(*more));

		if (!more)
			return -ENOMEM;
		all->list = more;
	}
	i = all->list + all->n;
	*i = (struct instance){.uid = owner};
	if (asprintf(&i->path, "%s/%s", folder, name) < 0)
		return -ENOMEM;
	text_clean(i->label, sizeof(i->label), name, strlen(name));
	all->n++;
	return 0;
}

/* Those of root and our own: a crowd of somebody else's sockets must not be in their way. */
static bool is_first(uid_t owner) {
	return owner == 0 || owner == geteuid();
}

static int find_in(struct instances *all, const char *folder) {
	DIR *stream = opendir(folder);
	const struct dirent *entry;
	size_t n_others = 0;
	int r = 0;

	if (!stream)
		return 0;
	while (r == 0 && (r = dir_next(stream, &entry)) == 0 && entry) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    (entry->d_type != DT_SOCK && entry->d_type != DT_UNKNOWN) ||
		    fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISSOCK(st.st_mode))
			continue;
		if (!is_first(st.st_uid) && ++n_others > INSTANCES_MAX) {
			all->is_cut = true;
			continue;
		}
		r = add(all, folder, entry->d_name, st.st_uid);
	}
	closedir(stream);
	return r;
}

static int by_owner(const void *one, const void *other) {
	const struct instance *a = one, *b = other;

	if (is_first(a->uid) != is_first(b->uid))
		return is_first(a->uid) ? -1 : 1;
	return strcmp(a->path, b->path);
}

int instances_find(struct instances *all) {
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int r;

	*all = (struct instances){0};
	r = find_in(all, "/run/sdwd");
	if (r == 0 && runtime && runtime[0] == '/') {
		char *folder = NULL;

		r = asprintf(&folder, "%s/sdwd", runtime) < 0 ? -ENOMEM : 0;
		if (r == 0 && strcmp(folder, "/run/sdwd") != 0)
			r = find_in(all, folder);
		free(folder);
	}
	if (r < 0)
		instances_done(all);
	else if (all->n > 0)
		qsort(all->list, all->n, sizeof(*all->list), by_owner);
	return r;
}

bool instance_matches(const struct instance *i, const char *pattern) {
	char bare[INSTANCE_LABEL_MAX];
	size_t length = strlen(i->label);

	if (pattern[0] == '/')
		return strcmp(pattern, i->path) == 0;
	if (fnmatch(pattern, i->label, 0) == 0)
		return true;
	snprintf(bare, sizeof(bare), "%s", i->label);
	/* "web.service.1234", where another one has the name. */
	if (!i->is_believed) {
		size_t digits = length;

		while (digits > 1 && isdigit((unsigned char)bare[digits - 1]))
			digits--;
		if (digits < length && bare[digits - 1] == '.') {
			length = digits - 1;
			bare[length] = '\0';
			if (fnmatch(pattern, bare, 0) == 0)
				return true;
		}
	}
	if (length <= 8 || strcmp(bare + length - 8, ".service") != 0)
		return false;
	bare[length - 8] = '\0';
	return fnmatch(pattern, bare, 0) == 0;
}

struct instance *instances_pick(const struct instances *all, const char *verb, const char *label) {
	char quoted[OPT_QUOTED_MAX], path[INSTANCE_LABEL_MAX], paths[512];
	struct text t = TEXT_OVER(paths);
	struct instance *found = NULL;
	size_t n = 0;

	/* Exact ones first; a second one of the same kind makes it ambiguous. */
	for (int is_pattern = 0; is_pattern < 2 && n == 0; is_pattern++)
		for (size_t at = 0; at < all->n; at++) {
			struct instance *i = all->list + at;

			if (i->is_believed && (is_pattern ? instance_matches(i, label)
							  : strcmp(i->label, label) == 0)) {
				found = i;
				n++;
				text_clean(path, sizeof(path), i->path, strlen(i->path));
				text_addf(&t, "%s%s", n > 1 ? ", " : "", path);
			}
		}
	if (n == 1)
		return found;
	opt_quoted(quoted, label);
	if (n == 0)
		fprintf(stderr,
			"sdwdctl: %s: no service under sdwd is called %s; see sdwdctl status\n",
			verb, quoted);
	else
		fprintf(stderr, "sdwdctl: %s: %s is ambiguous: %s; name one by its label or path\n",
			verb, quoted, paths);
	return NULL;
}

size_t instances_complain(const struct instances *all, const char *verb, const bool *is_asked) {
	size_t n = 0;

	for (size_t at = 0; at < all->n; at++) {
		const struct instance *i = all->list + at;
		char path[INSTANCE_LABEL_MAX];

		if (i->is_believed || (is_asked && !is_asked[at]))
			continue;
		if (n++ >= COMPLAINTS_MAX)
			continue;
		text_clean(path, sizeof(path), i->path, strlen(i->path));
		fprintf(stderr, "sdwdctl: %s: %s: %s\n", verb, path, i->error);
	}
	if (n > COMPLAINTS_MAX)
		fprintf(stderr, "sdwdctl: %s: ... and %zu more sockets like these\n", verb,
			n - COMPLAINTS_MAX);
	if (all->is_cut)
		fprintf(stderr,
			"sdwdctl: %s: more than %d sockets of other users: the rest is not looked "
			"at\n",
			verb, INSTANCES_MAX);
	return n;
}
