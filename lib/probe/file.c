/* SPDX-License-Identifier: MIT */
/*
 * A file that the child writes again and again: a change of it is a sign of life.  What counts is
 * that it differs from what the last look saw (modification time, size, inode), and when we saw
 * that, by our own clock: the time in the file comes from a clock that may be set, or from another
 * machine, and is compared with nothing but itself.
 *
 * stat(2) of a local file does not wait.  That of one on a dead network file system does, and all
 * of sdwd with it; so that is said at the start.
 */
#include "probe/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "sys/file_system.h"

struct file_settings {
	char *path;     /* absolute, owned */
	char note[256]; /* empty: none */
};

/* What a look saw. All zero: no file. */
struct sight {
	bool is_there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct file_probe {
	struct probe base;
	struct sight last;
};

static const char *path_of(const struct probe *p) {
	return ((const struct file_settings *)p->conf->settings)->path;
}

/* Returns 0, also where there is no file, or a negative errno: it could not be seen. */
static int look_at(const char *path, struct sight *ret) {
	struct stat st;

	*ret = (struct sight){0};
	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	ret->is_there = true;
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	ret->size = st.st_size;
	ret->modified = st.st_mtim;
	return 0;
}

static bool is_same(const struct sight *a, const struct sight *b) {
	return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Before the child: whatever it does to the file is a change. */
static int file_init(struct probe *p, struct text *error) {
	struct file_probe *f = container_of(p, struct file_probe, base);

	(void)look_at(path_of(p), &f->last);
	return 0;
}

static int file_start(struct probe *p, struct outcome *ret) {
	struct file_probe *f = container_of(p, struct file_probe, base);
	struct sight now;
	int r = look_at(path_of(p), &now);

	if (r < 0) {
		outcome_from_errno(ret, path_of(p), -r);
		return PROBE_DONE;
	}
	if (!now.is_there) {
		f->last = now;
		outcome_set(ret, CAUSE_MISSING, "%s does not exist", path_of(p));
		return PROBE_DONE;
	}
	if (is_same(&now, &f->last))
		return PROBE_NOTHING;
	f->last = now;
	outcome_set(ret, CAUSE_OK, "changes");
	return PROBE_DONE;
}

static void file_done(struct probe *p) {
}

static int file_check(const char *target, void *settings, struct text *error) {
	struct file_settings *s = settings;
	size_t length = strlen(target);
	char quoted[OPT_QUOTED_MAX];
	const char *waits;
	int r;

	if (length == 0 || target[length - 1] == '/') {
		text_addf(error, "%s is not a file's path", opt_quoted(quoted, target));
		return -EINVAL;
	}
	r = path_absolute(target, &s->path);
	if (r < 0) {
		text_addf(error, "%s: the working folder has no path: %s",
			  opt_quoted(quoted, target), strerror(-r));
		return r;
	}
	if (strlen(s->path) >= PATH_MAX) {
		text_addf(error, "%s is longer than any path", opt_quoted(quoted, target));
		return -ENAMETOOLONG;
	}
	waits = file_system_that_waits(s->path);
	if (waits)
		snprintf(s->note, sizeof(s->note),
			 "%s lies on %s: a look there may hang, and sdwd with it; use a file in "
			 "/run",
			 opt_quoted(quoted, target), waits);
	return 0;
}

static void file_settings_done(void *settings) {
	struct file_settings *s = settings;

	free(s->path);
	s->path = NULL;
}

static const char *file_note(const void *settings) {
	const struct file_settings *s = settings;

	return s->note[0] != '\0' ? s->note : NULL;
}

static const struct probe_kind kind = {
	.name = "file",
	.argument = "PATH",
	.help = "good while the file PATH changes (modification time, size or inode) within "
		"--silence; looked at every --interval",
	.mode = PROBE_PUSH,
	.settings_size = sizeof(struct file_settings),
	.check = file_check,
	.settings_done = file_settings_done,
	.note = file_note,
	.knows = (const char *const[]){"interval", NULL},
};

const struct probe_class probe_file = {
	.kind = &kind,
	.size = sizeof(struct file_probe),
	.init = file_init,
	.start = file_start,
	.done = file_done,
};
