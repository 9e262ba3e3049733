/* SPDX-License-Identifier: MIT */
/*
 * A reload that the child cannot answer for (--reload=signal): RELOADING=1 with its time goes up
 * when the signal comes, and READY=1 once the child was found well by looks that began after it (as
 * many probes as --require asks).  systemd's side is in systemd.service(5), Type=notify-reload and
 * ExecReload=: MONOTONIC_USEC= must not be before the signal, in the same datagram.
 */
#include <stdio.h>
#include <string.h>

#include "app/internal.h"

static void tell(struct supervisor *s, const char *message) {
	int r;

	if (!notifier_is_open(&s->notifier))
		return;
	r = notifier_send(&s->notifier, message, strlen(message), NULL, 0, TOKEN_RELOAD);
	if (r < 0)
		log_warning("cannot tell systemd of the reload: %s", strerror(-r));
	if (r == 0 && s->flush_at == USEC_INFINITY)
		s->flush_at = usec_add(s->now, NOTIFIER_RETRY_USEC);
}

void reload_begin(struct supervisor *s, int number) {
	char message[64], name[SIGNAL_STR_MAX];

	/* A second signal begins it anew: what was found out before it says nothing any more. */
	if ((s->life != LIFE_RUNNING && s->life != LIFE_UNHEALTHY) || s->is_reloading)
		return;
	if (!s->reload.is_open)
		log_info("%s: reloading", signal_str(name, number));
	s->reload.is_open = true;
	s->reload.at = usec_now();
	/* What the child said before it gets the signal, however late it is read: not now, where a
	 * flood would hold up the signals behind this one. */
	relay_mark(s);
	looks_mark(s);
	snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)s->reload.at);
	/* What the manager has not heard yet of one before would be out of date. */
	notifier_drop(&s->notifier, TOKEN_RELOAD);
	tell(s, message);
}

static bool is_well_since(struct supervisor *s) {
	const struct monitor *m = &s->monitor;
	size_t n = 0;

	if (m->service == SERVICE_UNHEALTHY)
		return false;
	for (size_t i = 0; i < s->n_slots; i++)
		n += !m->probes[i].is_optional && s->slots[i].asked_at > s->reload.at;
	if (n < m->required)
		return false;
	looks_process(s);
	return m->process != PROCESS_STOPPED;
}

void reload_turn(struct supervisor *s) {
	char took[USEC_STR_MAX];

	if (!s->reload.is_open || !is_well_since(s))
		return;
	s->reload.is_open = false;
	tell(s, "READY=1");
	log_info("reloaded after %s", usec_str_short(took, usec_sub(s->now, s->reload.at)));
}

void reload_give_up(struct supervisor *s) {
	s->reload.is_open = false;
}
