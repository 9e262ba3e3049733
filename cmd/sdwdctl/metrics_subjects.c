/* SPDX-License-Identifier: MIT */
/*
 * Who is told of.  Whoever reads the text refuses all of it where two series have the same labels,
 * and keeps each series that was ever in it.  Labels are anybody's text, so what keeps them apart
 * is what the kernel says: the unit, whose user manager runs it, and, where these are the same too,
 * the pid.  Of what users run by themselves only so many are told that nobody can fill the
 * database.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "metrics.h"

/* Of instances that neither root nor the system manager nor we ourselves started. */
#define STRANGERS_MAX 64

#define NOBODY ((uid_t)-1)

static uid_t owner_of(pid_t pid) {
	char *unit = NULL;
	uid_t owner = NOBODY;

	if (sd_pid_get_user_unit(pid, &unit) >= 0 && sd_pid_get_owner_uid(pid, &owner) < 0)
		owner = NOBODY;
	free(unit);
	return owner;
}

static bool is_service_name(const char *unit) {
	size_t length = strlen(unit);

	return length > 8 && strcmp(unit + length - 8, ".service") == 0;
}

static bool is_stranger(const struct metrics_subject *s) {
	uid_t uid = s->instance->uid;

	return uid != 0 && uid != geteuid() && (s->owner != NOBODY || !is_service_name(s->unit));
}

/* 0 where they have the same labels but the pid. */
static int compare_names(const struct metrics_subject *a, const struct metrics_subject *b) {
	int order = strcmp(a->instance->label, b->instance->label);

	if (order == 0)
		order = strcmp(a->unit, b->unit);
	return order != 0 ? order : (a->owner > b->owner) - (a->owner < b->owner);
}

static int by_name_and_pid(const void *one, const void *other) {
	const struct metrics_subject *a = one, *b = other;
	int order = compare_names(a, b);

	return order != 0 ? order
			  : (a->instance->pid > b->instance->pid) -
				    (a->instance->pid < b->instance->pid);
}

/* True where @s is to be told. One that does not answer is told of only where we know who it is. */
static bool take(struct metrics_subject *s, const struct instance *i, size_t *n_strangers) {
	*s = (struct metrics_subject){
		.instance = i,
		.unit = i->unit ? i->unit : "",
		.owner = i->is_believed ? owner_of(i->pid) : NOBODY,
	};
	if (!i->is_believed)
		return i->uid == 0 || i->uid == geteuid();
	return !is_stranger(s) || (*n_strangers)++ < STRANGERS_MAX;
}

int metrics_subjects_choose(struct metrics_subjects *s, const struct instances *all) {
	size_t n_strangers = 0, n = 0;

	*s = (struct metrics_subjects){.list = calloc(all->n + 1, sizeof(*s->list))};
	if (!s->list)
		return -ENOMEM;
	for (size_t at = 0; at < all->n; at++) {
		bool is_told = take(s->list + n, all->list + at, &n_strangers);

		if (!is_told || !all->list[at].is_believed)
			s->n_failed++;
		n += is_told;
	}
	qsort(s->list, n, sizeof(*s->list), by_name_and_pid);
	for (size_t at = 0; at < n; at++) {
		struct metrics_subject *before = s->n > 0 ? &s->list[s->n - 1] : NULL;
		struct metrics_subject one = s->list[at];

		if (before && compare_names(before, &one) == 0) {
			/* One process with two sockets. */
			if (before->instance->pid == one.instance->pid) {
				s->n_failed += one.instance->is_believed;
				continue;
			}
			before->has_twin = one.has_twin = true;
		}
		s->list[s->n++] = one;
	}
	return 0;
}

void metrics_subjects_done(struct metrics_subjects *s) {
	free(s->list);
	*s = (struct metrics_subjects){0};
}
