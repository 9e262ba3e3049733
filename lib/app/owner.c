/* SPDX-License-Identifier: MIT */
/* What the probes tell and ask their owner (probe/probe.h) goes to whom it concerns. */
#include "app/internal.h"
#include "base/usec.h"

static struct supervisor *supervisor_of(struct probe_owner *owner) {
	return container_of(owner, struct supervisor, owner);
}

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	looks_outcome(supervisor_of(owner), p, o);
}

static void on_words(struct probe_owner *owner, struct probe *p, const struct notify_msg *m) {
	relay_words(supervisor_of(owner), p, m);
}

static void on_helper(struct probe_owner *owner, struct probe *p, pid_t pid) {
	helpers_add(&supervisor_of(owner)->helpers, pid);
}

static void on_unclosed(struct probe_owner *owner, struct probe *p, int fd) {
	unclosed_add(&supervisor_of(owner)->unclosed_of_looks, fd);
}

static bool is_helper(struct probe_owner *owner, pid_t pid) {
	const struct supervisor *s = supervisor_of(owner);

	return helpers_have(&s->helpers, pid, usec_now()) > 0;
}

static int ask(struct probe_owner *owner, struct prober_call *call, usec_t deadline_at,
	       struct outcome *ret) {
	struct supervisor *s = supervisor_of(owner);
	pid_t before = s->prober.pid;
	int r = prober_ask(&s->prober, call, deadline_at, ret);

	if (s->prober.pid > 0 && s->prober.pid != before)
		helpers_add(&s->helpers, s->prober.pid);
	return r;
}

static bool ask_expire(struct probe_owner *owner, struct prober_call *call,
		       struct prober_reply *ret) {
	struct supervisor *s = supervisor_of(owner);

	return prober_expire(&s->prober, call, ret);
}

static void ask_cancel(struct probe_owner *owner, struct prober_call *call) {
	struct supervisor *s = supervisor_of(owner);

	prober_cancel(&s->prober, call);
}

const struct probe_owner owner_of_probes = {
	.on_outcome = on_outcome,
	.on_words = on_words,
	.environment = environment_of_probe,
	.on_helper = on_helper,
	.on_unclosed = on_unclosed,
	.is_helper = is_helper,
	.ask = ask,
	.ask_expire = ask_expire,
	.ask_cancel = ask_cancel,
};
