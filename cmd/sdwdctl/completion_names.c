/* SPDX-License-Identifier: MIT */
/* Names that only the instances know, for the completions, which ask for them when TAB is pressed.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "completion.h"
#include "fields.h"

/* Somebody waits at a terminal. */
#define PATIENCE (1 * USEC_PER_SEC)

static void print_labels(const struct instances *all) {
	for (size_t at = 0; at < all->n; at++)
		if (all->list[at].is_believed)
			puts(all->list[at].label);
}

static void print_probes(const struct instances *all, const char *label) {
	const struct instance *i = instances_pick(all, verb_completion.name, label);

	for (size_t at = 0; i && at < field_count(i->status, "probes"); at++) {
		char name[INSTANCE_LABEL_MAX];

		puts(field_clean(field_at(i->status, "probes", at), "name", name, sizeof(name)));
	}
}

int completion_names(const char *label) {
	struct instances all;

	if (instances_ask(&all, PATIENCE) < 0)
		return CTL_CANNOT;
	if (label)
		print_probes(&all, label);
	else
		print_labels(&all);
	instances_done(&all);
	return CTL_WELL;
}
