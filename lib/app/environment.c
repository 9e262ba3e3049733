/* SPDX-License-Identifier: MIT */
/* What a hook or a check learns of us: SDWD_* variables.  They are outputs only; sdwd reads none.
 */
#include <stdio.h>

#include "app/internal.h"

void environment_fill(const struct supervisor *s, const struct finding *f, const char *state,
		      struct check_environment *ret) {
	struct {
		const char *name, *value;
	} variables[] = {
		{"LABEL", s->conf->label}, {"PROBE", supervisor_probe_name(s, f->slot)},
		{"STATE", state},          {"CAUSE", cause_str(f->cause)},
		{"TEXT", f->text},
	};
	size_t n = 0;

	for (; n < ARRAY_SIZE(variables); n++)
		snprintf(ret->lines[n], sizeof(ret->lines[n]), "SDWD_%s=%s", variables[n].name,
			 variables[n].value);
	snprintf(ret->lines[n++], sizeof(ret->lines[0]), "SDWD_CHILD_PID=%d", s->child.pid);
	snprintf(ret->lines[n++], sizeof(ret->lines[0]), "SDWD_STREAK=%u", f->streak);
	assert(n == ARRAY_SIZE(ret->lines));
	for (size_t i = 0; i < n; i++)
		ret->set[i] = ret->lines[i];
	ret->set[n] = NULL;
}

static const char *state_of(const struct supervisor *s) {
	if (s->life == LIFE_STARTING)
		return "starting";
	return s->monitor.service == SERVICE_UNHEALTHY  ? "unhealthy"
	       : s->monitor.service == SERVICE_DEGRADED ? "degraded"
							: "healthy";
}

void environment_of_probe(struct probe_owner *owner, struct probe *p,
			  struct check_environment *ret) {
	const struct supervisor *s = container_of(owner, struct supervisor, owner);
	ptrdiff_t i = looks_slot_of(s, p);
	const struct slot *slot = &s->slots[i];

	struct finding f = {.slot = i, .streak = s->monitor.probes[i].health.fails};

	if (slot->has_last) {
		f.cause = slot->last.cause;
		snprintf(f.text, sizeof(f.text), "%s", slot->last.text);
	}
	environment_fill(s, &f, state_of(s), ret);
}
