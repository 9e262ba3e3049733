/* SPDX-License-Identifier: MIT */
#include "probe/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/usec.h"
#include "stream_fixture.h"

/* --tcp with a name, where the test itself is the prober. */

static struct {
	struct prober_call *call; /* under way */
	usec_t deadline_at;
	unsigned n_asked, n_expired, n_cancelled;
	bool cannot_be_asked;
	const struct prober_reply *reply_at_expiry;
} prober;

/* As app/prober.c keeps them. */
static void keep_addresses(struct prober_call *call, const struct prober_reply *reply) {
	if (reply->n_addresses == 0)
		return;
	memcpy(call->addresses, reply->addresses, sizeof(call->addresses));
	call->n_addresses = reply->n_addresses;
}

static int ask(struct probe_owner *owner, struct prober_call *call, usec_t deadline_at,
	       struct outcome *ret) {
	static const char words[] = "resolve\0web.test";

	assert_null(prober.call);
	assert_int_equal(call->words_length, sizeof(words));
	assert_memory_equal(call->words, words, sizeof(words));
	prober.n_asked++;
	if (prober.cannot_be_asked) {
		outcome_set(ret, CAUSE_PROBER, "there is none");
		return PROBE_DONE;
	}
	prober.call = call;
	prober.deadline_at = deadline_at;
	return 0;
}

static bool ask_expire(struct probe_owner *owner, struct prober_call *call,
		       struct prober_reply *ret) {
	assert_ptr_equal(prober.call, call);
	prober.call = NULL;
	prober.n_expired++;
	if (!prober.reply_at_expiry)
		return false;
	*ret = *prober.reply_at_expiry;
	keep_addresses(call, ret);
	return true;
}

static void ask_cancel(struct probe_owner *owner, struct prober_call *call) {
	prober.n_cancelled += prober.call == call;
	prober.call = NULL;
}

static void reply(const struct prober_reply *r) {
	struct prober_call *call = prober.call;

	assert_non_null(call);
	prober.call = NULL;
	keep_addresses(call, r);
	call->on_reply(call, r);
}

/* The fixture's server, somebody else's address, and none. */
static const struct prober_reply here = {
	.cause = CAUSE_OK,
	.addresses = {{.bytes = {127, 0, 0, 1}}},
	.n_addresses = 1,
};
static const struct prober_reply elsewhere = {
	.cause = CAUSE_OK,
	.addresses = {{.bytes = {127, 0, 0, 9}}},
	.n_addresses = 1,
};
static const struct prober_reply first_elsewhere = {
	.cause = CAUSE_OK,
	.addresses = {{.bytes = {127, 0, 0, 9}},
		      {.bytes = {127, 0, 0, 8}},
		      {.bytes = {127, 0, 0, 1}}},
	.n_addresses = 3,
};
static const struct prober_reply nowhere = {
	.cause = CAUSE_DNS,
	.text = "cannot resolve web.test: no answer in time",
};

static void aim(struct stream_fixture *f, usec_t timeout_usec, const char *const *options) {
	char target[64];

	memset(&prober, 0, sizeof(prober));
	f->owner.ask = ask;
	f->owner.ask_expire = ask_expire;
	f->owner.ask_cancel = ask_cancel;
	snprintf(target, sizeof(target), "web.test%s", strchr(f->target, ':'));
	assert_int_equal(stream_fixture_probe(f, target, options), 0);
	f->conf.timeout_usec = timeout_usec;
	assert_string_equal(conf_needs_prober(&f->conf), "a host name");
}

/* A look that finds the server, so that its address is known. */
static void know(struct stream_fixture *f) {
	stream_fixture_start(f);
	reply(&here);
	stream_fixture_expect(f, CAUSE_OK, "connected");
}

static void test_found(void **state) {
	struct stream_fixture *f = *state;

	aim(f, 4 * USEC_PER_SEC, OPTIONS("expect", "ok"));
	for (int i = 0; i < 2; i++) {
		stream_fixture_start(f);
		assert_int_equal(f->probe->phase, STREAM_LOOKING_UP);
		reply(i == 0 ? &here : &first_elsewhere);
		while (f->probe->phase == STREAM_CONNECTING)
			ev_run(f->loop, EVRUN_ONCE);
		f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(f->peer >= 0);
		SAY(f, "ok");
		stream_fixture_expect(f, CAUSE_OK, "the answer matches");
	}
	assert_int_equal(prober.n_asked, 2);
}

static void test_never_found(void **state) {
	static const struct prober_reply died = {.cause = CAUSE_PROBER};
	struct stream_fixture *f = *state;

	aim(f, 4 * USEC_PER_SEC, NULL);
	stream_fixture_start(f);
	reply(&nowhere);
	stream_fixture_expect(f, CAUSE_DNS, "cannot resolve web.test: no answer in time");
	stream_fixture_start(f);
	reply(&died);
	stream_fixture_expect(f, CAUSE_PROBER, "the prober cannot look");
	prober.cannot_be_asked = true;
	stream_fixture_start(f);
	assert_true(f->is_over);
	stream_fixture_expect(f, CAUSE_PROBER, "there is none");
}

/* A prober that was taken over says of no service that it is well, or that it is not. */
static void test_only_addresses_are_believed(void **state) {
	static const enum cause causes[] = {CAUSE_OK, CAUSE_DEGRADED, CAUSE_CONNECT_REFUSED};
	struct stream_fixture *f = *state;

	aim(f, 4 * USEC_PER_SEC, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		struct prober_reply r = {.cause = causes[i], .text = "it is well"};

		stream_fixture_start(f);
		reply(&r);
		stream_fixture_expect(f, CAUSE_PROBER, "the prober found no address");
	}
}

static void test_the_last_addresses_are_kept(void **state) {
	static const struct prober_reply died = {.cause = CAUSE_PROBER};
	struct stream_fixture *f = *state;

	aim(f, 4 * USEC_PER_SEC, NULL);
	know(f);
	stream_fixture_start(f);
	reply(&nowhere);
	stream_fixture_expect(f, CAUSE_OK, "connected");
	stream_fixture_start(f);
	reply(&died);
	stream_fixture_expect(f, CAUSE_OK, "connected");
	prober.cannot_be_asked = true;
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_OK, "connected");
	/* And given up for new ones. */
	prober.cannot_be_asked = false;
	stream_fixture_start(f);
	reply(&elsewhere);
	stream_fixture_expect(f, CAUSE_CONNECT_REFUSED, NULL);
	stream_fixture_start(f);
	reply(&nowhere);
	stream_fixture_expect(f, CAUSE_CONNECT_REFUSED, NULL);
}

static void check_deadline(struct stream_fixture *f, usec_t before, usec_t after_usec) {
	double left = ev_timer_remaining(f->loop, &f->probe->lookup.timer);

	assert_true(prober.deadline_at >= before + after_usec);
	assert_true(prober.deadline_at <= usec_now() + after_usec);
	/* Its silence is waited for a little longer. */
	assert_true(left > 0 && left < (double)after_usec / 1e6 + 0.101);
}

/* It is left three quarters of the time where there is nothing else, and one where there is. */
static void test_it_has_its_share_of_the_time(void **state) {
	struct stream_fixture *f = *state;
	usec_t before = usec_now();

	aim(f, 4100 * USEC_PER_MSEC, NULL);
	stream_fixture_start(f);
	check_deadline(f, before, 3 * USEC_PER_SEC);
	reply(&here);
	stream_fixture_expect(f, CAUSE_OK, NULL);
	before = usec_now();
	stream_fixture_start(f);
	check_deadline(f, before, USEC_PER_SEC);
	reply(&here);
	stream_fixture_expect(f, CAUSE_OK, NULL);
}

/* A prober that says nothing at all. */
static void test_a_hang_does_not_take_the_time_to_connect(void **state) {
	struct stream_fixture *f = *state;
	usec_t before = usec_now(), took;

	aim(f, 200 * USEC_PER_MSEC, NULL);
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_PROBER, "the prober did not answer in time");
	assert_true(usec_now() - before >= 154 * USEC_PER_MSEC);
	know(f);
	before = usec_now();
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_OK, "connected");
	took = usec_now() - before;
	assert_true(took >= 64 * USEC_PER_MSEC);
	assert_int_equal(prober.n_expired, 2);

	/* It had answered, and that was not read yet. */
	prober.reply_at_expiry = &elsewhere;
	stream_fixture_start(f);
	stream_fixture_expect(f, CAUSE_CONNECT_REFUSED, NULL);
}

/* Where sdwd itself was late. */
static void test_the_deadline_comes_while_it_is_looked_up(void **state) {
	struct stream_fixture *f = *state;

	aim(f, 4 * USEC_PER_SEC, NULL);
	stream_fixture_start(f);
	stream_fixture_expire(f, CAUSE_PROBER, "the prober did not answer in time");
	prober.reply_at_expiry = &nowhere;
	stream_fixture_start(f);
	stream_fixture_expire(f, CAUSE_DNS, nowhere.text);
	prober.reply_at_expiry = &here;
	stream_fixture_start(f);
	stream_fixture_expire(f, CAUSE_SELF, "no time was left to connect");
	assert_int_equal(prober.n_expired, 3);
	know(f);
}

static void test_cancelled(void **state) {
	struct stream_fixture *f = *state;

	aim(f, 100 * USEC_PER_MSEC, NULL);
	stream_fixture_start(f);
	f->class->cancel(&f->probe->probe);
	assert_int_equal(prober.n_cancelled, 1);
	assert_int_equal(f->probe->phase, STREAM_IDLE);
	/* Nothing is left that could come: the loop ends at once. */
	assert_int_equal(ev_run(f->loop, 0), 0);
	assert_int_equal(f->n_outcomes, 0);
	know(f);
	stream_fixture_start(f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		tcp_test(test_found),
		tcp_test(test_never_found),
		tcp_test(test_only_addresses_are_believed),
		tcp_test(test_the_last_addresses_are_kept),
		tcp_test(test_it_has_its_share_of_the_time),
		tcp_test(test_a_hang_does_not_take_the_time_to_connect),
		tcp_test(test_the_deadline_comes_while_it_is_looked_up),
		tcp_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
