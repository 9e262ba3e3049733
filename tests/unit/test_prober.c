/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <signal.h>
#include <sys/socket.h>

#include "app/prober.h"
#include "base/fd.h"
#include "base/log.h"
#include "core/outcome.h"
#include "probe/probe.h"
#include "sys/signals.h"

/*
 * Our side of the prober against one that does what the request says: this very program, started
 * as "fake-prober".
 */

/* The fake ---------------------------------------------------------------------------------- */

static void reply(uint32_t id, const struct prober_request *r, const char *text) {
	struct prober_reply answer = {.id = id, .cause = CAUSE_OK};
	char packet[PROBER_REPLY_MAX];

	snprintf(answer.text, sizeof(answer.text), "%s", text);
	memcpy(answer.addresses, r->addresses, sizeof(answer.addresses));
	answer.n_addresses = r->n_addresses;
	(void)send(3, packet, prober_reply_encode(packet, &answer), 0);
}

static int fake(void) {
	static char packet[PROBER_REQUEST_MAX];
	struct prober_request r;
	ssize_t n;

	while ((n = recv(3, packet, sizeof(packet), 0)) > 0) {
		const char *word, *target;

		CHECK(prober_request_decode(&r, packet, (size_t)n) == 0);
		word = prober_request_word(&r, NULL);
		target = prober_request_word(&r, word);
		if (strcmp(word, "echo") == 0) {
			reply(r.id, &r, target);
		} else if (strcmp(word, "resolve") == 0) {
			r.addresses[0] = (struct prober_address){.bytes = {127, 0, 0, 9}};
			r.n_addresses = 1;
			reply(r.id, &r, target);
		} else if (strcmp(word, "other") == 0) {
			reply(r.id + 1000, &r, "a stranger's");
			reply(r.id, &r, target);
			reply(r.id, &r, "once more");
		} else if (strcmp(word, "late") == 0) {
			usleep(300000);
			reply(r.id, &r, target);
		} else if (strcmp(word, "garbage") == 0) {
			CHECK(send(3, "garbage", 7, 0) == 7);
		} else if (strcmp(word, "exit") == 0) {
			_exit(7);
		} else if (strcmp(word, "close") == 0) {
			close(3);
			for (;;)
				pause();
		}
	}
	return 0;
}

/* The test's side --------------------------------------------------------------------------- */

struct asker {
	struct prober_call call;
	char words[2048];
	unsigned n_replies;
	struct prober_reply reply;
	struct asker *then_asks, *then_cancels;
};

static struct {
	struct ev_loop *loop;
	struct prober prober;
	char log[4096];
} test;

static void on_log(void *context, const struct log_entry *entry) {
	struct text t = {.data = test.log, .size = sizeof(test.log), .length = strlen(test.log)};

	text_addf(&t, "%s\n", entry->message);
}

static int ask(struct asker *a, const char *kind, const char *target, usec_t after_usec,
	       struct outcome *ret);

static void on_reply(struct prober_call *call, const struct prober_reply *r) {
	struct asker *a = container_of(call, struct asker, call);
	struct outcome o;

	a->n_replies++;
	a->reply = *r;
	if (a->then_asks)
		(void)ask(a->then_asks, "echo", "after", PATIENCE, &o);
	if (a->then_cancels)
		prober_cancel(&test.prober, &a->then_cancels->call);
}

static int ask(struct asker *a, const char *kind, const char *target, usec_t after_usec,
	       struct outcome *ret) {
	size_t first = strlen(kind) + 1;

	memcpy(a->words, kind, first);
	memcpy(a->words + first, target, strlen(target) + 1);
	a->call.words = a->words;
	a->call.words_length = first + strlen(target) + 1;
	a->call.on_reply = on_reply;
	return prober_ask(&test.prober, &a->call, usec_add(usec_now(), after_usec), ret);
}

static void must_ask(struct asker *a, const char *kind, const char *target) {
	struct outcome o;

	if (ask(a, kind, target, PATIENCE, &o) != 0) {
		fprintf(stderr, "%s\n", o.text);
		CHECK(false);
	}
}

static void on_reaped(void *context, const struct reaped *r) {
	CHECK(prober_reaped(&test.prober, r));
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
	ev_break(loop, EVBREAK_ALL);
}

/* One turn, of at most 10 ms. */
static bool turn(void) {
	struct ev_timer timer;

	ev_timer_init(&timer, on_tick, 0.01, 0);
	ev_now_update(test.loop);
	ev_timer_start(test.loop, &timer);
	ev_run(test.loop, EVRUN_ONCE);
	ev_timer_stop(test.loop, &timer);
	(void)reaper_run(on_reaped, NULL);
	prober_turn(&test.prober, usec_now());
	return true;
}

#define TURN_UNTIL(condition) CHECK_SOON(turn() && (condition))

static void begin(void) {
	struct signals signals;

	signals_block(&signals);
	log_set_sink(on_log, NULL);
	test.loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	CHECK(test.loop);
	prober_init(&test.prober);
	test.prober.loop = test.loop;
	strcpy(test.prober.path, "fake-prober");
	test.prober.program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	CHECK(test.prober.program_fd >= 0);
}

static void end(void) {
	size_t n_fds;

	prober_end(&test.prober);
	TURN_UNTIL(test.prober.pid == 0);
	prober_done(&test.prober);
	prober_done(&test.prober);
	ev_loop_destroy(test.loop);
	n_fds = count_fds();
	CHECK(n_fds == 6); /* 0, 1, 2, the folder itself, . and .. */
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void answers(void) {
	struct asker a = {0}, b = {0};

	begin();
	CHECK(test.prober.pid == 0);
	must_ask(&a, "echo", "one");
	must_ask(&b, "echo", "two");
	CHECK(a.n_replies == 0);
	TURN_UNTIL(a.n_replies == 1 && b.n_replies == 1);
	CHECK(strcmp(a.reply.text, "one") == 0 && strcmp(b.reply.text, "two") == 0);
	/* Again, by the same process. */
	must_ask(&a, "echo", "three");
	TURN_UNTIL(a.n_replies == 2);
	CHECK(strcmp(a.reply.text, "three") == 0 && test.prober.calls == NULL);
	end();
}

static void test_answers(void **state) {
	isolated(answers);
}

static void strangers(void) {
	struct asker a = {0};

	begin();
	must_ask(&a, "other", "mine");
	TURN_UNTIL(a.n_replies == 1);
	must_ask(&a, "echo", "next");
	TURN_UNTIL(a.n_replies == 2);
	CHECK(strcmp(a.reply.text, "next") == 0);
	end();
}

static void test_a_reply_that_nobody_waits_for_is_dropped(void **state) {
	isolated(strangers);
}

/* Kept by the call, sent with the next request, and over the end of the prober. */
static void addresses(void) {
	struct asker a = {0};

	begin();
	must_ask(&a, "resolve", "x");
	TURN_UNTIL(a.n_replies == 1);
	CHECK(a.call.n_addresses == 1 && a.call.addresses[0].bytes[3] == 9);
	kill(test.prober.pid, SIGKILL);
	TURN_UNTIL(test.prober.pid == 0);
	test.prober.retry_at = 0;
	must_ask(&a, "echo", "x");
	TURN_UNTIL(a.n_replies == 2);
	CHECK(a.reply.n_addresses == 1 && a.reply.addresses[0].bytes[3] == 9);
	CHECK(a.call.n_addresses == 1);
	end();
}

static void test_the_last_good_addresses_are_kept(void **state) {
	isolated(addresses);
}

static void reentrant(void) {
	struct asker a = {0}, b = {0}, c = {0};

	begin();
	a.then_asks = &b;
	a.then_cancels = &c;
	must_ask(&c, "silent", "");
	must_ask(&a, "echo", "one");
	TURN_UNTIL(b.n_replies == 1);
	CHECK(strcmp(b.reply.text, "after") == 0 && a.n_replies == 1 && c.n_replies == 0);
	CHECK(test.prober.calls == NULL);
	end();
}

static void test_an_answer_may_ask_and_cancel(void **state) {
	isolated(reentrant);
}

/* What dies answers all that was asked, with UNKNOWN; a new one is not started at once. */
static void deaths(void) {
	static const struct {
		const char *kind, *text;
	} cases[] = {
		{"exit", "the prober died: exited with 7"},
		{"garbage", "the prober died: it said something that is no reply"},
		{"close", "the prober died: killed by SIGKILL"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asker a = {0}, b = {0};
		struct outcome o;
		pid_t pid;

		begin();
		/* b is asked again within its answer: that has an end. */
		b.then_asks = &b;
		must_ask(&b, "silent", "");
		must_ask(&a, cases[i].kind, "");
		pid = test.prober.pid;
		TURN_UNTIL(a.n_replies == 1 && b.n_replies == 1);
		CHECK(a.reply.cause == CAUSE_PROBER && strcmp(a.reply.text, cases[i].text) == 0);
		CHECK(b.reply.cause == CAUSE_PROBER && test.prober.pid == 0);
		CHECK(strstr(test.log, "its looks are unknown until it runs again"));
		CHECK(ask(&a, "echo", "x", PATIENCE, &o) == PROBE_DONE);
		CHECK(o.verdict == VERDICT_UNKNOWN && strstr(o.text, "is started again soon"));
		b.then_asks = NULL;
		CHECK_SOON(ask(&a, "echo", "x", PATIENCE, &o) == 0);
		TURN_UNTIL(a.n_replies == 2);
		CHECK(test.prober.pid != pid);
		end();
		test.log[0] = '\0';
	}
}

static void test_a_death_answers_all_and_a_new_one_comes(void **state) {
	isolated(deaths);
}

/* Each start after a death waits twice as long. */
static void backoff(void) {
	struct asker a = {0};
	usec_t before = 0;

	begin();
	for (int i = 0; i < 9; i++) {
		usec_t wait;

		test.prober.retry_at = 0;
		must_ask(&a, "exit", "");
		TURN_UNTIL(test.prober.pid == 0);
		wait = usec_sub(test.prober.retry_at, usec_now());
		CHECK(wait <= 10 * USEC_PER_SEC && (before == 0 || wait > before || i > 7));
		before = wait;
	}
	CHECK(before > 9 * USEC_PER_SEC);
	/* One that lived for a while begins anew. */
	test.prober.retry_at = 0;
	must_ask(&a, "exit", "");
	test.prober.started_at -= USEC_PER_MINUTE;
	TURN_UNTIL(test.prober.pid == 0);
	CHECK(usec_sub(test.prober.retry_at, usec_now()) <= 100 * USEC_PER_MSEC);
	end();
}

static void test_starts_come_later_and_later(void **state) {
	isolated(backoff);
}

static void expiry(void) {
	struct asker a = {0}, b = {0};
	struct prober_reply reply = {0};
	pid_t pid;

	begin();
	/* The answer is there, and was not read. */
	must_ask(&a, "echo", "there");
	must_ask(&b, "echo", "other");
	usleep(100000);
	for (int i = 0; i < 200 && !prober_expire(&test.prober, &a.call, &reply); i++) {
		usleep(20000);
		must_ask(&a, "echo", "there");
	}
	CHECK(strcmp(reply.text, "there") == 0 && a.n_replies == 0);
	TURN_UNTIL(b.n_replies == 1);

	/* It comes late, but it comes: dropped, and nobody is killed. */
	pid = test.prober.pid;
	must_ask(&a, "late", "late");
	CHECK(!prober_expire(&test.prober, &a.call, &reply));
	CHECK(prober_next_at(&test.prober) != USEC_INFINITY);
	TURN_UNTIL(prober_next_at(&test.prober) == USEC_INFINITY);
	CHECK(a.n_replies == 0 && test.prober.pid == pid);

	/* It never comes: others that wait are answered by its death. */
	must_ask(&b, "silent", "");
	must_ask(&a, "silent", "");
	CHECK(!prober_expire(&test.prober, &a.call, &reply));
	TURN_UNTIL(b.n_replies == 2);
	CHECK(strcmp(b.reply.text, "the prober died: it did not answer in time") == 0);
	CHECK(a.n_replies == 0 && test.prober.calls == NULL);
	CHECK(prober_next_at(&test.prober) == USEC_INFINITY);
	end();
}

static void test_what_is_not_answered_in_time(void **state) {
	isolated(expiry);
}

/* A prober that does not read: at some time the socket is full. */
static void full(void) {
	static struct asker many[4096];
	struct asker a = {0};
	char large[2000];
	struct outcome o;
	size_t n = 0;

	begin();
	must_ask(&a, "echo", "x");
	TURN_UNTIL(a.n_replies == 1);
	kill(test.prober.pid, SIGSTOP);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	while (n < ARRAY_SIZE(many) && ask(&many[n], "echo", large, PATIENCE, &o) == 0)
		n++;
	CHECK(n > 8 && n < ARRAY_SIZE(many));
	CHECK(o.cause == CAUSE_PROBER && o.verdict == VERDICT_UNKNOWN);
	CHECK(strcmp(o.text, "the prober has too much to do") == 0);
	kill(test.prober.pid, SIGCONT);
	/* None was lost. */
	for (size_t i = 0; i < n; i++)
		TURN_UNTIL(many[i].n_replies == 1);
	end();
}

static void test_a_full_socket(void **state) {
	isolated(full);
}

static void ended(void) {
	struct asker a = {0};
	struct outcome o;

	begin();
	must_ask(&a, "silent", "");
	prober_end(&test.prober);
	CHECK(ask(&(struct asker){0}, "echo", "x", PATIENCE, &o) == PROBE_DONE);
	TURN_UNTIL(test.prober.pid == 0);
	CHECK(a.n_replies == 0 && test.log[0] == '\0');
	prober_cancel(&test.prober, &a.call);
	prober_cancel(&test.prober, &a.call);
	end();
}

static void test_the_end(void **state) {
	isolated(ended);
}

static void cannot_start(void) {
	struct asker a = {0};
	struct outcome o;

	begin();
	CHECK(dup3(open("/", O_PATH | O_CLOEXEC), test.prober.program_fd, O_CLOEXEC) >= 0);
	/* It may have died before it could be asked. */
	if (ask(&a, "echo", "x", PATIENCE, &o) == 0) {
		TURN_UNTIL(a.n_replies == 1);
		CHECK(strncmp(a.reply.text, "the prober died: exited with 126", 32) == 0);
	} else {
		CHECK(o.cause == CAUSE_PROBER);
	}
	prober_done(&test.prober);
	CHECK(ask(&a, "echo", "x", PATIENCE, &o) == PROBE_DONE && o.cause == CAUSE_PROBER);
}

static void test_one_that_cannot_be_executed(void **state) {
	isolated(cannot_start);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_a_reply_that_nobody_waits_for_is_dropped),
		cmocka_unit_test(test_the_last_good_addresses_are_kept),
		cmocka_unit_test(test_an_answer_may_ask_and_cancel),
		cmocka_unit_test(test_a_death_answers_all_and_a_new_one_comes),
		cmocka_unit_test(test_starts_come_later_and_later),
		cmocka_unit_test(test_what_is_not_answered_in_time),
		cmocka_unit_test(test_a_full_socket),
		cmocka_unit_test(test_the_end),
		cmocka_unit_test(test_one_that_cannot_be_executed),
	};

	if (argc > 0 && strcmp(argv[0], "fake-prober") == 0)
		return fake();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
