/* SPDX-License-Identifier: MIT */
/* Reads requests from sdwd, and gives each to a thread, until sdwd is gone. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "ask.h"
#include "base/usec.h"
#include "sandbox.h"

#define SOCKET_FD 3
/* sdwd asks for each probe once at a time: more are there only where some hang. */
#define THREADS_MAX 128

static const struct ask_kind kinds[] = {
	{"http", http_answer}, {"grpc", grpc_answer},       {"dbus", dbus_answer},
	{"file", file_answer}, {"resolve", resolve_answer},
};

static atomic_int n_threads;

static void refuse(struct ask *a, const char *why) {
	struct outcome o;

	outcome_set(&o, CAUSE_PROBER, "%s", why);
	ask_reply(a, &o);
}

static const struct ask_kind *find_kind(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static void *answer(void *context) {
	struct ask *a = context;
	const struct ask_kind *kind = find_kind(a->kind);

	if (!kind)
		refuse(a, "the prober does not know this kind of question");
	else if (ask_left_usec(a) == 0)
		refuse(a, "the prober was asked too late");
	else
		kind->answer(a);
	if (!a->has_replied)
		refuse(a, "the prober found no answer");
	/* There may be passwords in it. */
	explicit_bzero(a->packet, sizeof(a->packet));
	free(a);
	n_threads--;
	return NULL;
}

/* Gives @a, which is taken, to a thread. */
static void hand_over(struct ask *a, const pthread_attr_t *attributes) {
	pthread_t thread;

	if (n_threads >= THREADS_MAX) {
		refuse(a, "the prober has too much to do");
		free(a);
		return;
	}
	n_threads++;
	if (pthread_create(&thread, attributes, answer, a) != 0) {
		n_threads--;
		refuse(a, "the prober cannot start a thread");
		free(a);
	}
}

/* Reads one request. Returns 1, 0 where sdwd is gone, or a negative errno. */
static int next_request(struct ask **ret) {
	struct ask *a = calloc(1, sizeof(*a));
	ssize_t n;
	int r;

	if (!a)
		return -ENOMEM;
	do
		n = recv(SOCKET_FD, a->packet, sizeof(a->packet), 0);
	while (n < 0 && errno == EINTR);
	r = n < 0 ? -errno : n == 0 ? 0 : 1;
	if (r > 0 && prober_request_decode(&a->request, a->packet, (size_t)n) < 0)
		r = -EBADMSG;
	if (r <= 0) {
		free(a);
		return r;
	}
	a->fd = SOCKET_FD;
	a->kind = prober_request_word(&a->request, NULL);
	a->target = prober_request_word(&a->request, a->kind);
	*ret = a;
	return 1;
}

static bool is_started_by_sdwd(void) {
	int type;
	socklen_t length = sizeof(type);

	return getsockopt(SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
	       type == SOCK_SEQPACKET;
}

int main(int argc, char **argv) {
	pthread_attr_t attributes;
	struct ask *a;
	int r;

	(void)prctl(PR_SET_NAME, "sdwd-prober");
	if (!is_started_by_sdwd()) {
		fprintf(stderr, "%s: sdwd starts this program where it needs it; see sdwd(1)\n",
			argc > 0 ? argv[0] : "sdwd-prober");
		return 2;
	}
	sandbox_enter();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || pthread_attr_init(&attributes) != 0)
		return 1;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, ASK_STACK_SIZE);
	while ((r = next_request(&a)) > 0)
		hand_over(a, &attributes);
	/* Threads may still be at work: nothing is torn down under them. */
	_exit(r == 0 ? 0 : 1);
}
