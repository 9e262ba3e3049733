/* SPDX-License-Identifier: MIT */
#include "core/late.h"

#include "base/defs.h"

uint64_t late_mark(const struct late *l) {
	return l->n_read + LATE_QUEUE;
}

bool late_is_before(const struct late *l, uint64_t mark) {
	return l->n_read < mark;
}

void late_add(struct late *l, pid_t pid) {
	l->items[l->next].pid = pid;
	l->items[l->next].until = late_mark(l);
	l->next = (l->next + 1) % LATE_MAX;
}

void late_read(struct late *l) {
	l->n_read++;
}

void late_empty(struct late *l) {
	l->n_read += LATE_QUEUE;
}

bool late_has(const struct late *l, pid_t pid) {
	for (size_t i = 0; i < LATE_MAX; i++)
		if (l->items[i].pid == pid && late_is_before(l, l->items[i].until))
			return true;
	return false;
}
