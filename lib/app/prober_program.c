/* SPDX-License-Identifier: MIT */
/* Where the prober is, and whether it is. */
#include "app/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define PROGRAM "sdwd-prober"

/* Our own program. Where /proc is hidden: by the name that it was executed by. */
static ssize_t find_self(char *path, size_t size) {
	ssize_t length = readlink("/proc/self/exe", path, size);
	const char *name = (const char *)getauxval(AT_EXECFN);

	if (length >= 0)
		return length;
	if (!name || name[0] != '/')
		return -errno;
	length = (ssize_t)strnlen(name, size);
	memcpy(path, name, (size_t)length);
	return length;
}

/* Beside our own program: a build's folder, or a copy of both. */
static int find_neighbour(char *path, size_t size) {
	ssize_t length = find_self(path, size);
	char *slash;

	if (length < 0)
		return (int)length;
	if ((size_t)length >= size)
		return -ENAMETOOLONG;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof(PROGRAM) > size)
		return -ENAMETOOLONG;
	memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
	return access(path, X_OK) < 0 ? -errno : 0;
}

int prober_open(struct prober *p, struct ev_loop *loop, struct text *error) {
	int r = find_neighbour(p->path, sizeof(p->path));

	if (r < 0) {
		snprintf(p->path, sizeof(p->path), "%s/" PROGRAM, SDWD_LIBEXECDIR);
		r = access(p->path, X_OK) < 0 ? -errno : 0;
	}
	if (r == 0) {
		p->program_fd = open(p->path, O_PATH | O_CLOEXEC);
		r = p->program_fd < 0 ? -errno : 0;
	}
	if (r < 0)
		text_addf(error, "%s: %s; it is in the package " PROGRAM, p->path, strerror(-r));
	p->loop = loop;
	return r;
}

/* The index of the first probe that needs the prober; n_probes: there is none. */
static size_t first_remote(const struct conf *c) {
	size_t i = 0;

	while (i < c->n_probes && !conf_needs_prober(c->probes[i]))
		i++;
	return i;
}

bool prober_is_needed(const struct conf *c) {
	return first_remote(c) < c->n_probes;
}

int prober_check(const struct conf *c, struct text *errors) {
	const struct probe_conf *remote;
	char reason[PATH_MAX + 256];
	struct text why = TEXT_OVER(reason);
	struct prober p;
	int r;

	if (!prober_is_needed(c))
		return 0;
	prober_init(&p);
	r = prober_open(&p, NULL, &why);
	prober_done(&p);
	if (r == 0)
		return 0;
	remote = c->probes[first_remote(c)];
	if (errors->length > 0)
		text_add(errors, "\n");
	conf_add_place(errors, &remote->origin, remote->kind->name);
	text_addf(errors, "%s needs " PROGRAM ": %s", conf_needs_prober(remote), reason);
	return r;
}
