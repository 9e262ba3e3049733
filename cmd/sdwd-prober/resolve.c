/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo(3) knows what this system resolves names by, has no timeout that could be set, and
 * cannot be called off: see single_flight.h.
 */
#include "resolve.h"

#include <netdb.h>
#include <string.h>

#include "base/usec.h"
#include "single_flight.h"

struct found {
	int error; /* of getaddrinfo(3) */
	struct prober_address addresses[PROBER_ADDRESSES_MAX];
	size_t n_addresses;
};

static bool set_address(struct prober_address *a, const struct sockaddr *from) {
	*a = (struct prober_address){0};
	if (from->sa_family == AF_INET) {
		memcpy(a->bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		a->is_ipv6 = true;
		a->zone = ((const struct sockaddr_in6 *)from)->sin6_scope_id;
		memcpy(a->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
	} else
		return false;
	return true;
}

static void look_up(const char *name, void *ret) {
	struct found *f = ret;
	/* Not AI_ADDRCONFIG: a machine with nothing but lo has names too. */
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	f->error = getaddrinfo(name, NULL, &hints, &list);
	for (struct addrinfo *i = list; i && f->n_addresses < PROBER_ADDRESSES_MAX; i = i->ai_next)
		if (set_address(&f->addresses[f->n_addresses], i->ai_addr))
			f->n_addresses++;
	if (f->error == 0 && f->n_addresses == 0)
		f->error = EAI_NONAME;
	if (list)
		freeaddrinfo(list);
}

static const struct flight_kind lookup = {
	.work = look_up,
	.result_size = sizeof(struct found),
	.fresh_usec = 10 * USEC_PER_SEC,
};

/* Resolves the name into @a. Returns NULL, or why it could not be. */
static const char *resolve(struct ask *a, const char *name, usec_t until_at) {
	struct found found;
	const char *why = single_flight(&lookup, name, until_at, &found);

	if (why)
		return why;
	if (found.error != 0)
		return gai_strerror(found.error);
	memcpy(a->resolved, found.addresses, sizeof(a->resolved));
	a->n_resolved = found.n_addresses;
	return NULL;
}

bool resolve_target(struct ask *a, const char *name, uint16_t port, struct dial_target *ret,
		    struct outcome *o) {
	bool is_known = a->request.n_addresses > 0;
	usec_t time = prober_resolve_time(ask_left_usec(a), is_known);
	const char *why = resolve(a, name, usec_add(usec_now(), time));

	if (!why)
		dial_target_resolved(ret, a->resolved, a->n_resolved, port);
	else if (is_known)
		dial_target_resolved(ret, a->request.addresses, a->request.n_addresses, port);
	else
		outcome_set(o, CAUSE_DNS, "cannot resolve %s: %s", name, why);
	return !why || is_known;
}

void resolve_answer(struct ask *a) {
	const char *why = resolve(a, a->target, a->request.deadline_at);
	struct outcome o;

	outcome_set(&o, CAUSE_OK, NULL);
	if (why)
		outcome_set(&o, CAUSE_DNS, "cannot resolve %s: %s", a->target, why);
	ask_reply(a, &o);
}
