/* SPDX-License-Identifier: MIT */
/* --file where stat(2) may hang, with a dead file server. */
#include <errno.h>

#include "ask.h"
#include "probe/file.h"
#include "single_flight.h"

static void look(const char *path, void *ret) {
	file_look(path, ret);
}

/* Nothing is kept: what a look saw that was hung says nothing of now. */
static const struct flight_kind file_flight = {
	.work = look,
	.result_size = sizeof(struct outcome),
};

void file_answer(struct ask *a) {
	struct outcome o;
	const char *why = single_flight(&file_flight, a->target, a->request.deadline_at, &o);

	if (why)
		outcome_set(&o, CAUSE_SELF, "cannot look at %s: %s", a->target, why);
	ask_reply(a, &o);
}
