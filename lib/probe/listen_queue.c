/* SPDX-License-Identifier: MIT */
/*
 * Whether the service still accepts, seen from the kernel's side: without a connection of our own,
 * and without waiting for a full queue, which a connecting probe would have to.
 *
 * A look takes a sample at its start.  If nothing waits, it is good at once.  Else it takes another
 * one at its deadline, and compares (core/accept_queue.h): so each look that finds somebody waiting
 * lasts the whole --timeout.  Between the two it needs nothing, neither an fd nor a watcher.
 */
#include "probe/listen_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/usec.h"
#include "probe/unix_path.h"
#include "sys/dial.h"
#include "sys/proc_net.h"
#include "sys/sock_diag.h"

struct listen_queue_settings {
	uint16_t port;              /* 0: a Unix socket */
	struct dial_target address; /* its address */
	bool uses_proc;             /* netlink is refused */
	char note[256];             /* empty: none */
};

struct listen_queue {
	struct probe base;
	bool is_looking;
	struct accept_queue queues[2]; /* IPv4 and IPv6; Unix in the first */
};

static struct listen_queue *of(struct probe *p) {
	return container_of(p, struct listen_queue, base);
}

static int take_sample(struct listen_queue *l) {
	const struct listen_queue_settings *s = l->base.conf->settings;
	const struct dial_address *a = &s->address.addresses[0];

	if (s->port != 0)
		return s->uses_proc ? proc_net_tcp(s->port, l->queues)
				    : sock_diag_tcp(s->port, l->queues);
	return s->uses_proc ? proc_net_unix(&a->un, a->length, l->queues)
			    : sock_diag_unix(&a->un, a->length, l->queues);
}

/* Takes the sample that has begun. True: somebody listens and somebody waits, see *@ret_queued;
 * else *@ret is the outcome. */
static bool sample(struct listen_queue *l, struct outcome *ret, uint64_t *ret_queued) {
	const struct listen_queue_settings *s = l->base.conf->settings;
	int r = take_sample(l);
	size_t n_listeners = 0;
	uint64_t n_queued = 0;

	for (size_t i = 0; i < ARRAY_SIZE(l->queues); i++) {
		n_listeners += accept_queue_now(&l->queues[i])->n_listeners;
		n_queued += accept_queue_now(&l->queues[i])->n_queued;
	}
	if (r < 0)
		outcome_from_errno(ret, s->uses_proc ? "/proc/net" : "netlink", -r);
	else if (n_listeners == 0 && s->port != 0)
		outcome_set(ret, CAUSE_CONNECT_REFUSED, "nothing listens on port %u", s->port);
	else if (n_listeners == 0)
		outcome_set(ret, CAUSE_CONNECT_REFUSED, "nothing listens at %s",
			    l->base.conf->target);
	else if (n_queued == 0)
		outcome_set(ret, CAUSE_OK, "nothing waits");
	*ret_queued = n_queued;
	return r == 0 && n_listeners > 0 && n_queued > 0;
}

static int listen_queue_start(struct probe *p, struct outcome *ret) {
	struct listen_queue *l = of(p);
	uint64_t n_queued;

	assert(!l->is_looking);
	for (size_t i = 0; i < ARRAY_SIZE(l->queues); i++)
		accept_queue_begin(&l->queues[i]);
	l->is_looking = sample(l, ret, &n_queued);
	return l->is_looking ? 0 : PROBE_DONE;
}

static void compare(struct listen_queue *l, uint64_t n_queued, struct outcome *ret) {
	char within[USEC_STR_MAX];
	bool is_unsure = false;
	size_t n_still = 0;

	for (size_t i = 0; i < ARRAY_SIZE(l->queues); i++) {
		enum accept_queue_state state = accept_queue_judge(&l->queues[i]);

		is_unsure |= state == ACCEPT_QUEUE_UNSURE;
		n_still += state == ACCEPT_QUEUE_STANDS ? l->queues[i].n_still : 0;
	}
	usec_str_short(within, l->base.conf->timeout_usec);
	if (n_still > 0)
		outcome_set(ret, CAUSE_NOT_ACCEPTING,
			    "%zu connection%s not accepted for %s (%" PRIu64 " in the queue)",
			    n_still, n_still == 1 ? "" : "s", within, n_queued);
	else if (is_unsure)
		outcome_set(ret, CAUSE_SELF,
			    "%" PRIu64 " in the queue, and whether it moves cannot be seen",
			    n_queued);
	else
		outcome_set(ret, CAUSE_OK, "the queue moves");
}

static void listen_queue_expire(struct probe *p, struct outcome *ret) {
	struct listen_queue *l = of(p);
	uint64_t n_queued;

	l->is_looking = false;
	for (size_t i = 0; i < ARRAY_SIZE(l->queues); i++)
		accept_queue_again(&l->queues[i]);
	if (sample(l, ret, &n_queued))
		compare(l, n_queued, ret);
}

static void listen_queue_cancel(struct probe *p) {
	of(p)->is_looking = false;
}

/* Settings ----------------------------------------------------------------------------------- */

static int parse_target(struct listen_queue_settings *s, const char *target, struct text *error) {
	char quoted[OPT_QUOTED_MAX];
	uint64_t port;
	int r;

	opt_quoted(quoted, target);
	if (target[0] != '\0' && target[strspn(target, "0123456789")] == '\0') {
		r = text_parse_u64(target, 1, UINT16_MAX, &port);
		if (r < 0)
			text_addf(error, "%s is not a port (1-65535)", quoted);
		else
			s->port = (uint16_t)port;
		return r;
	}
	if (target[0] != '@' && !strchr(target, '/')) {
		text_addf(error,
			  "%s is neither a port nor the path of a Unix socket (one in this folder "
			  "is ./NAME)",
			  quoted);
		return -EINVAL;
	}
	r = strcmp(target, "@") == 0 ? -EINVAL : dial_target_path(&s->address, target);
	if (r == -ENAMETOOLONG)
		text_addf(error, "%s is longer than the address of a Unix socket can be", quoted);
	else if (r < 0)
		text_addf(error, "%s: %s", quoted, strerror(-r));
	return r;
}

/* Whether the tables of /proc can be read. */
static bool has_proc(const struct listen_queue_settings *s) {
	return access(s->port != 0 ? "/proc/self/net/tcp" : "/proc/self/net/unix", R_OK) == 0;
}

/* Not refused, but there is none to be had at the moment. */
static bool is_want(int r) {
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS;
}

static int choose_way(struct listen_queue_settings *s, struct text *error) {
	int r = sock_diag_check(s->port != 0 ? AF_INET : AF_UNIX);

	if (r == 0)
		return 0;
	if (is_want(r)) {
		text_addf(error, "netlink: %s", strerror(-r));
		return r;
	}
	if (!has_proc(s)) {
		text_addf(error, "neither netlink (%s) nor /proc/net can be read here",
			  strerror(-r));
		return r;
	}
	s->uses_proc = true;
	snprintf(s->note, sizeof(s->note),
		 "netlink is refused (%s): /proc/net is read, which %s; in a unit "
		 "RestrictAddressFamilies= must have AF_NETLINK",
		 strerror(-r),
		 s->port != 0 ? "tells less" : "does not tell a full queue from one that hangs");
	return 0;
}

static int listen_queue_check(const char *target, void *settings, struct text *error) {
	struct listen_queue_settings *s = settings;
	int r = parse_target(s, target, error);

	return r == 0 ? choose_way(s, error) : r;
}

static const char *listen_queue_note(const void *settings) {
	const struct listen_queue_settings *s = settings;

	if (s->note[0] != '\0')
		return s->note;
	return s->port == 0 && !s->uses_proc ? unix_path_note(&s->address) : NULL;
}

static void listen_queue_done(struct probe *p) {
}

static const struct probe_kind kind = {
	.name = "listen-queue",
	.argument = "PORT|PATH",
	.help = "good while no connection waits for the whole --timeout to be accepted at that "
		"listening socket",
	.mode = PROBE_PULL,
	.settings_size = sizeof(struct listen_queue_settings),
	.check = listen_queue_check,
	.note = listen_queue_note,
};

const struct probe_class probe_listen_queue = {
	.kind = &kind,
	.size = sizeof(struct listen_queue),
	.start = listen_queue_start,
	.expire = listen_queue_expire,
	.cancel = listen_queue_cancel,
	.done = listen_queue_done,
};
