/* SPDX-License-Identifier: MIT */
#include "core/late.h"

#include "base/defs.h"

void late_add(struct late *l, pid_t pid) {
	l->items[l->next].pid = pid;
	l->items[l->next].until = l->n_read + LATE_QUEUE;
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
		if (l->items[i].pid == pid && l->items[i].until > l->n_read)
			return true;
	return false;
}
