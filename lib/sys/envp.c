/* SPDX-License-Identifier: MIT */
#include "sys/envp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int envp_init(struct envp *e, size_t n_more) {
	size_t n = 0;

	memset(e, 0, sizeof(*e));
	while (environ && environ[n])
		n++;
	e->entries = calloc(n + n_more + 1, sizeof(*e->entries));
	if (!e->entries)
		return -ENOMEM;
	if (n > 0)
		memcpy(e->entries, environ, n * sizeof(*e->entries));
	e->n_entries = n;
	e->room = n + n_more;
	return 0;
}

static bool has_name(const char *entry, const char *name, size_t length) {
	return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

const char *envp_get(const struct envp *e, const char *name) {
	size_t length = strlen(name);

	for (size_t n = 0; n < e->n_entries; n++)
		if (has_name(e->entries[n], name, length))
			return e->entries[n] + length + 1;
	return NULL;
}

static void remove_name(struct envp *e, const char *name, size_t length) {
	size_t kept = 0;

	for (size_t n = 0; n < e->n_entries; n++)
		if (!has_name(e->entries[n], name, length))
			e->entries[kept++] = e->entries[n];
	e->n_entries = kept;
	e->entries[kept] = NULL;
}

void envp_unset(struct envp *e, const char *name) {
	remove_name(e, name, strlen(name));
}

void envp_set(struct envp *e, char *entry) {
	const char *end = strchr(entry, '=');

	assert(end);
	remove_name(e, entry, (size_t)(end - entry));
	assert(e->n_entries < e->room);
	e->entries[e->n_entries++] = entry;
	e->entries[e->n_entries] = NULL;
}

void envp_done(struct envp *e) {
	free(e->entries);
	memset(e, 0, sizeof(*e));
}
