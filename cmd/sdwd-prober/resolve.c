/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo(3) knows what this system resolves names by, has no timeout that could be set, and
 * cannot be called off.  So each name has at most one thread that waits for it, which all looks at
 * that name share; who does not want to wait any longer leaves it alone, and its result, should it
 * still come, is for the next one that asks.
 */
#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/usec.h"

/* A result that nobody waited for is good for so long. */
#define FRESH (10 * USEC_PER_SEC)
/* More names than probes: there are not. */
#define LOOKUPS_MAX 128

/* One name; never freed, because sdwd asks for the same few again and again. */
struct lookup {
	struct lookup *next;
	char *name;
	bool is_running;
	bool is_fresh; /* the result was not given to anybody */
	usec_t ended_at;
	int error; /* of getaddrinfo(3) */
	struct prober_address addresses[PROBER_ADDRESSES_MAX];
	size_t n_addresses;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended; /* of any lookup; by CLOCK_MONOTONIC */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct lookup *lookups;

static void init(void) {
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&has_ended, &attributes);
}

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

static void *look_up(void *context) {
	struct lookup *l = context;
	/* Not AI_ADDRCONFIG: a machine with nothing but lo has names too. */
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(l->name, NULL, &hints, &found);

	pthread_mutex_lock(&mutex);
	l->n_addresses = 0;
	for (struct addrinfo *i = found; i && l->n_addresses < PROBER_ADDRESSES_MAX; i = i->ai_next)
		if (set_address(&l->addresses[l->n_addresses], i->ai_addr))
			l->n_addresses++;
	l->error = error == 0 && l->n_addresses == 0 ? EAI_NONAME : error;
	l->ended_at = usec_now();
	l->is_fresh = true;
	l->is_running = false;
	pthread_cond_broadcast(&has_ended);
	pthread_mutex_unlock(&mutex);
	if (found)
		freeaddrinfo(found);
	return NULL;
}

static struct lookup *find_lookup(const char *name) {
	struct lookup *l;
	size_t n = 0;

	for (l = lookups; l; l = l->next, n++)
		if (strcmp(l->name, name) == 0)
			return l;
	l = n < LOOKUPS_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (!l || !(l->name = strdup(name))) {
		free(l);
		return NULL;
	}
	l->next = lookups;
	lookups = l;
	return l;
}

static int begin_lookup(struct lookup *l) {
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, ASK_STACK_SIZE);
	r = pthread_create(&thread, &attributes, look_up, l);
	(void)pthread_attr_destroy(&attributes);
	l->is_running = r == 0;
	return r == 0 ? 0 : -r;
}

static void wait_until(const struct lookup *l, usec_t until_at) {
	struct timespec at = {.tv_sec = (time_t)(until_at / USEC_PER_SEC),
			      .tv_nsec = (long)(until_at % USEC_PER_SEC) * 1000};
	int r = 0;

	while (l->is_running && r == 0)
		r = pthread_cond_timedwait(&has_ended, &mutex, &at);
}

/* Resolves the name into @a. Returns NULL, or why it could not be. */
static const char *resolve(struct ask *a, const char *name, usec_t until_at) {
	const char *why = NULL;
	struct lookup *l;

	(void)pthread_once(&once, init);
	pthread_mutex_lock(&mutex);
	l = find_lookup(name);
	if (!l)
		why = "out of memory";
	else if (!l->is_running && (!l->is_fresh || usec_now() > usec_add(l->ended_at, FRESH)) &&
		 begin_lookup(l) < 0)
		why = "no thread can be started";
	if (!why) {
		wait_until(l, until_at);
		if (l->is_running)
			why = "no answer in time";
		else if (l->error != 0)
			why = gai_strerror(l->error);
	}
	if (l && !l->is_running)
		l->is_fresh = false;
	if (!why) {
		memcpy(a->resolved, l->addresses, sizeof(a->resolved));
		a->n_resolved = l->n_addresses;
	}
	pthread_mutex_unlock(&mutex);
	return why;
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
