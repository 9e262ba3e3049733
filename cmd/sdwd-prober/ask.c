/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/usec.h"
#include "conf/probe_words.h"
#include "probe/probe.h"

/* Says that something took too long: only true where we ourselves were there to see it. */
static bool is_timeout(enum cause cause) {
	return cause == CAUSE_CONNECT_TIMEOUT || cause == CAUSE_READ_TIMEOUT ||
	       cause == CAUSE_TIMEOUT;
}

static void send_reply(const struct ask *a, const struct outcome *o) {
	struct prober_reply reply = {.id = a->request.id, .cause = o->cause};
	char packet[PROBER_REPLY_MAX];
	size_t length;

	memcpy(reply.text, o->text, sizeof(reply.text));
	memcpy(reply.addresses, a->resolved, sizeof(reply.addresses));
	reply.n_addresses = a->n_resolved;
	length = prober_reply_encode(packet, &reply);
	/* sdwd may be stopped: then this thread waits with it. */
	while (send(a->fd, packet, length, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void ask_reply(struct ask *a, const struct outcome *o) {
	usec_t late_at = usec_add(a->request.deadline_at, PROBER_MARGIN_USEC);
	struct outcome late;

	assert(!a->has_replied);
	a->has_replied = true;
	if (is_timeout(o->cause) && usec_now() > late_at) {
		outcome_set(&late, CAUSE_PROBER, "the prober did not run for a while");
		o = &late;
	}
	send_reply(a, o);
}

bool ask_probe(struct ask *a, struct probe_conf **ret) {
	const struct probe_kind *kinds[64] = {0};
	char reason[512];
	struct text error = TEXT_OVER(reason);
	struct outcome o;

	for (size_t i = 0; probe_registry[i] && i + 1 < ARRAY_SIZE(kinds); i++)
		kinds[i] = probe_registry[i]->kind;
	if (probe_conf_read(a->request.words, a->request.words_length, kinds, ret, &error) == 0)
		return true;
	outcome_set(&o, CAUSE_PROBER, "%s", reason);
	ask_reply(a, &o);
	return false;
}

usec_t ask_left_usec(const struct ask *a) {
	return usec_sub(a->request.deadline_at, usec_now());
}
