/* SPDX-License-Identifier: MIT */
#include "probe/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "conf/probe_words.h"

/*
 * A server that does not answer in time is the prober's to report, a little before the deadline;
 * where nothing was reported by then, nobody knows.
 */

struct remote_probe {
	struct probe probe;
	struct prober_call call;
	char *words;
};

static struct remote_probe *remote_probe(struct probe *p) {
	return container_of(p, struct remote_probe, probe);
}

static void on_reply(struct prober_call *call, const struct prober_reply *reply) {
	struct remote_probe *r = container_of(call, struct remote_probe, call);
	struct outcome o;

	prober_reply_outcome(reply, &o);
	r->probe.owner->on_outcome(r->probe.owner, &r->probe, &o);
}

static int remote_init(struct probe *p, struct text *error) {
	struct remote_probe *r = remote_probe(p);
	struct text words = {.size = PROBER_WORDS_MAX};

	r->words = calloc(1, words.size);
	if (!r->words)
		return -ENOMEM;
	words.data = r->words;
	if (probe_conf_write(p->conf, &words) < 0) {
		text_addf(error, "--%s: its options are larger than the %d KiB of a request",
			  p->conf->kind->name, PROBER_WORDS_MAX / 1024);
		return -EMSGSIZE;
	}
	r->call.words = r->words;
	r->call.words_length = words.length;
	r->call.on_reply = on_reply;
	return 0;
}

static int remote_start(struct probe *p, struct outcome *ret) {
	usec_t timeout = p->conf->timeout_usec, margin = MIN(timeout / 10, PROBER_MARGIN_USEC);

	return p->owner->ask(p->owner, &remote_probe(p)->call,
			     usec_add(usec_now(), timeout - margin), ret);
}

static void remote_expire(struct probe *p, struct outcome *ret) {
	struct prober_reply reply;
	char within[USEC_STR_MAX];

	if (p->owner->ask_expire(p->owner, &remote_probe(p)->call, &reply))
		prober_reply_outcome(&reply, ret);
	else
		outcome_set(ret, CAUSE_PROBER, "the prober did not answer within %s",
			    usec_str_short(within, p->conf->timeout_usec));
}

static void remote_cancel(struct probe *p) {
	p->owner->ask_cancel(p->owner, &remote_probe(p)->call);
}

static void remote_done(struct probe *p) {
	struct remote_probe *r = remote_probe(p);

	remote_cancel(p);
	/* There may be passwords among them. */
	if (r->words)
		explicit_bzero(r->words, PROBER_WORDS_MAX);
	free(r->words);
	r->words = NULL;
}

const struct probe_class probe_remote = {
	.size = sizeof(struct remote_probe),
	.init = remote_init,
	.start = remote_start,
	.expire = remote_expire,
	.cancel = remote_cancel,
	.done = remote_done,
};
