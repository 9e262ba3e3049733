/* SPDX-License-Identifier: MIT */
/*
 * A file that the child writes again and again: a change of it is a sign of life.  What counts is
 * that it differs from what the last look saw (modification time, size, inode), and when we saw
 * that, by our own clock: the time in the file comes from a clock that may be set, or from another
 * machine, and is compared with nothing but itself.
 *
 * stat(2) of a local file does not wait.  That of one on a dead network file system does, and would
 * keep all of sdwd waiting with it: there the prober looks, and what it saw comes back as a text.
 */
#include "probe/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/usec.h"
#include "sys/file_system.h"

/* The prober may take so long at least, however short the interval is. */
#define PATIENCE USEC_PER_SEC

struct file_settings {
	char *path;        /* absolute, owned */
	const char *waits; /* the file system where a look may hang; NULL: it is none such */
};

struct file_probe {
	struct probe base;
	char last[OUTCOME_TEXT_MAX]; /* what a look saw; "": no file */
	struct prober_call call;
	char *words; /* NULL: we look ourselves */
	bool is_asked;
	usec_t deadline_at; /* of the answer */
};

static const char *path_of(const struct probe *p) {
	return ((const struct file_settings *)p->conf->settings)->path;
}

void file_look(const char *path, struct outcome *ret) {
	struct stat st;

	if (stat(path, &st) == 0)
		outcome_set(ret, CAUSE_OK, "%" PRIx64 " %" PRIu64 " %" PRId64 " %" PRId64 ".%09ld",
			    (uint64_t)st.st_dev, (uint64_t)st.st_ino, (int64_t)st.st_size,
			    (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	else if (errno == ENOENT || errno == ENOTDIR)
		outcome_set(ret, CAUSE_MISSING, "%s does not exist", path);
	else
		outcome_from_errno(ret, path, errno);
}

/* What is said of that look, in its place. Returns as file_start(). */
static int take(struct file_probe *f, struct outcome *look) {
	if (look->cause == CAUSE_MISSING)
		f->last[0] = '\0';
	if (look->cause != CAUSE_OK)
		return PROBE_DONE;
	if (strcmp(look->text, f->last) == 0)
		return PROBE_NOTHING;
	memcpy(f->last, look->text, sizeof(f->last));
	outcome_set(look, CAUSE_OK, "changes");
	return PROBE_DONE;
}

static void on_reply(struct prober_call *call, const struct prober_reply *reply) {
	struct file_probe *f = container_of(call, struct file_probe, call);
	struct outcome o;

	f->is_asked = false;
	prober_reply_outcome(reply, &o);
	if (take(f, &o) == PROBE_DONE)
		f->base.owner->on_outcome(f->base.owner, &f->base, &o);
}

static int ask(struct file_probe *f, usec_t now, struct outcome *ret) {
	usec_t time = MAX(f->base.conf->interval_usec, PATIENCE);
	int r;

	f->deadline_at = usec_add(now, time);
	r = f->base.owner->ask(f->base.owner, &f->call, f->deadline_at - PROBER_MARGIN_USEC, ret);
	f->is_asked = r == 0;
	return r == 0 ? PROBE_NOTHING : r;
}

/* The time of the question is over. */
static int conclude(struct file_probe *f, struct outcome *ret) {
	struct prober_reply reply;

	f->is_asked = false;
	if (f->base.owner->ask_expire(f->base.owner, &f->call, &reply)) {
		prober_reply_outcome(&reply, ret);
		return take(f, ret);
	}
	outcome_set(ret, CAUSE_PROBER, "the prober did not answer in time");
	return PROBE_DONE;
}

/* Before the child: whatever it does to the file is a change. */
static int file_init(struct probe *p, struct text *error) {
	struct file_probe *f = container_of(p, struct file_probe, base);
	const struct file_settings *s = p->conf->settings;
	static const char kind[] = "file";
	size_t length = strlen(s->path) + 1;
	struct outcome o;

	file_look(s->path, &o);
	(void)take(f, &o);
	if (!s->waits)
		return 0;
	f->words = malloc(sizeof(kind) + length);
	if (!f->words)
		return -ENOMEM;
	memcpy(f->words, kind, sizeof(kind));
	memcpy(f->words + sizeof(kind), s->path, length);
	f->call.words = f->words;
	f->call.words_length = sizeof(kind) + length;
	f->call.on_reply = on_reply;
	return 0;
}

static int file_start(struct probe *p, struct outcome *ret) {
	struct file_probe *f = container_of(p, struct file_probe, base);
	usec_t now;

	if (!f->words) {
		file_look(path_of(p), ret);
		return take(f, ret);
	}
	now = usec_now();
	if (!f->is_asked)
		return ask(f, now, ret);
	return now < f->deadline_at ? PROBE_NOTHING : conclude(f, ret);
}

static void file_cancel(struct probe *p) {
	struct file_probe *f = container_of(p, struct file_probe, base);

	if (f->is_asked)
		p->owner->ask_cancel(p->owner, &f->call);
	f->is_asked = false;
}

static void file_done(struct probe *p) {
	struct file_probe *f = container_of(p, struct file_probe, base);

	file_cancel(p);
	free(f->words);
	f->words = NULL;
}

static int file_check(const char *target, void *settings, struct text *error) {
	struct file_settings *s = settings;
	size_t length = strlen(target);
	char quoted[OPT_QUOTED_MAX];
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
	s->waits = file_system_that_waits(s->path);
	return 0;
}

static void file_settings_done(void *settings) {
	struct file_settings *s = settings;

	free(s->path);
	s->path = NULL;
}

static const char *needs_prober(const void *settings) {
	return ((const struct file_settings *)settings)->waits;
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
	.needs_prober = needs_prober,
	.knows = (const char *const[]){"interval", NULL},
};

const struct probe_class probe_file = {
	.kind = &kind,
	.size = sizeof(struct file_probe),
	.asks = true,
	.init = file_init,
	.start = file_start,
	.cancel = file_cancel,
	.done = file_done,
};
