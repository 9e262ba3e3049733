/* SPDX-License-Identifier: MIT */
#include "probe/lookup.h"

#include <string.h>

#include "base/usec.h"

/*
 * The prober promises an answer in the time that it is given, also that there is none.  The timer
 * is for a prober that hangs: it must not take the time for the connection with it.
 */

static int found(struct lookup *l) {
	dial_target_resolved(&l->target, l->call.addresses, l->call.n_addresses, l->port);
	return LOOKUP_FOUND;
}

/* What @reply (NULL: none came in time) makes of it. Returns as lookup_expire(). */
static int conclude(struct lookup *l, const struct prober_reply *reply, struct outcome *ret) {
	/* Those of the reply are among them already (struct prober_call). */
	if (l->call.n_addresses > 0)
		return found(l);
	if (reply)
		prober_reply_outcome(reply, ret);
	else
		outcome_set(ret, CAUSE_PROBER, "the prober did not answer in time");
	/* That all is well is not for it to say. */
	if (ret->verdict != VERDICT_UNKNOWN)
		outcome_set(ret, CAUSE_PROBER, "the prober found no address");
	return LOOKUP_UNKNOWN;
}

/* The last statement of a handler. */
static void end(struct lookup *l, const struct prober_reply *reply) {
	struct outcome o;

	ev_timer_stop(l->probe->loop, &l->timer);
	l->on_done(l, conclude(l, reply, &o) == LOOKUP_FOUND ? NULL : &o);
}

static void on_reply(struct prober_call *call, const struct prober_reply *reply) {
	end(container_of(call, struct lookup, call), reply);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
	struct lookup *l = container_of(timer, struct lookup, timer);
	struct probe_owner *owner = l->probe->owner;
	struct prober_reply reply;

	end(l, owner->ask_expire(owner, &l->call, &reply) ? &reply : NULL);
}

static void set_words(struct lookup *l, const char *host) {
	static const char kind[] = "resolve";
	size_t length = strlen(host) + 1;

	memcpy(l->words, kind, sizeof(kind));
	memcpy(l->words + sizeof(kind), host, length);
	l->call.words = l->words;
	l->call.words_length = sizeof(kind) + length;
	l->call.on_reply = on_reply;
}

int lookup_start(struct lookup *l, struct probe *p, const struct host_port *host,
		 struct outcome *ret) {
	usec_t timeout = p->conf->timeout_usec, margin = MIN(timeout / 10, PROBER_MARGIN_USEC);
	usec_t time = prober_resolve_time(timeout - margin, l->call.n_addresses > 0);
	int r;

	if (!l->probe) {
		l->probe = p;
		l->port = host->port;
		set_words(l, host->host);
		ev_timer_init(&l->timer, on_timer, 0, 0);
	}
	r = p->owner->ask(p->owner, &l->call, usec_add(usec_now(), time), ret);
	if (r == PROBE_DONE)
		return l->call.n_addresses > 0 ? found(l) : LOOKUP_UNKNOWN;

	ev_now_update(p->loop);
	ev_timer_set(&l->timer, (double)(time + margin) / (double)USEC_PER_SEC, 0);
	ev_timer_start(p->loop, &l->timer);
	return 0;
}

int lookup_expire(struct lookup *l, struct outcome *ret) {
	struct probe_owner *owner = l->probe->owner;
	struct prober_reply reply;

	ev_timer_stop(l->probe->loop, &l->timer);
	return conclude(l, owner->ask_expire(owner, &l->call, &reply) ? &reply : NULL, ret);
}

void lookup_cancel(struct lookup *l) {
	if (!l->probe)
		return;
	ev_timer_stop(l->probe->loop, &l->timer);
	l->probe->owner->ask_cancel(l->probe->owner, &l->call);
}
