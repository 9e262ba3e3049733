/* SPDX-License-Identifier: MIT */
#include "single_flight.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/usec.h"

/* More names and files than probes: there are not. */
#define FLIGHTS_MAX 128

/* One key; never freed, because sdwd asks for the same few again and again. */
struct flight {
	struct flight *next;
	const struct flight_kind *kind;
	char *key;
	bool is_running;
	bool is_fresh; /* the result was not given to anybody */
	usec_t ended_at;
	void *result, *scratch; /* the thread works on the second */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended; /* of any flight; by CLOCK_MONOTONIC */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct flight *flights;

static void init(void) {
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&has_ended, &attributes);
}

static void *fly(void *context) {
	struct flight *f = context;

	memset(f->scratch, 0, f->kind->result_size);
	f->kind->work(f->key, f->scratch);
	pthread_mutex_lock(&mutex);
	memcpy(f->result, f->scratch, f->kind->result_size);
	f->ended_at = usec_now();
	f->is_fresh = true;
	f->is_running = false;
	pthread_cond_broadcast(&has_ended);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static struct flight *new_flight(const struct flight_kind *kind, const char *key) {
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->kind = kind;
	f->key = strdup(key);
	f->result = calloc(2, kind->result_size);
	if (!f->key || !f->result) {
		free(f->key);
		free(f->result);
		free(f);
		return NULL;
	}
	f->scratch = (char *)f->result + kind->result_size;
	return f;
}

static struct flight *find_flight(const struct flight_kind *kind, const char *key) {
	struct flight *f;
	size_t n = 0;

	for (f = flights; f; f = f->next, n++)
		if (f->kind == kind && strcmp(f->key, key) == 0)
			return f;
	f = n < FLIGHTS_MAX ? new_flight(kind, key) : NULL;
	if (!f)
		return NULL;
	f->next = flights;
	flights = f;
	return f;
}

static int begin(struct flight *f) {
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, ASK_STACK_SIZE);
	r = pthread_create(&thread, &attributes, fly, f);
	(void)pthread_attr_destroy(&attributes);
	f->is_running = r == 0;
	return r == 0 ? 0 : -r;
}

static void wait_until(const struct flight *f, usec_t until_at) {
	struct timespec at = {.tv_sec = (time_t)(until_at / USEC_PER_SEC),
			      .tv_nsec = (long)(until_at % USEC_PER_SEC) * 1000};
	int r = 0;

	while (f->is_running && r == 0)
		r = pthread_cond_timedwait(&has_ended, &mutex, &at);
}

const char *single_flight(const struct flight_kind *kind, const char *key, usec_t until_at,
			  void *ret) {
	const char *why = NULL;
	struct flight *f;

	(void)pthread_once(&once, init);
	pthread_mutex_lock(&mutex);
	f = find_flight(kind, key);
	if (!f)
		why = "out of memory";
	else if (!f->is_running &&
		 (!f->is_fresh || usec_now() > usec_add(f->ended_at, kind->fresh_usec)) &&
		 begin(f) < 0)
		why = "no thread can be started";
	if (!why) {
		wait_until(f, until_at);
		if (f->is_running)
			why = "no answer in time";
		else
			memcpy(ret, f->result, kind->result_size);
	}
	if (f && !f->is_running)
		f->is_fresh = false;
	pthread_mutex_unlock(&mutex);
	return why;
}
