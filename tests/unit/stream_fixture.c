/* SPDX-License-Identifier: MIT */
#include "stream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/usec.h"
#include "new_loop.h"
#include "open_fds.h"
#include "probe/tcp.h"
#include "probe/unix.h"

/* Far beyond what a turn takes on a loaded machine; below the minute after which ev_run(3) returns
 * with nothing. */
#define PATIENCE_SEC 40

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	struct stream_fixture *f = container_of(owner, struct stream_fixture, owner);

	f->outcome = *o;
	f->n_outcomes++;
	f->is_over = true;
}

static bool is_helper(struct probe_owner *owner, pid_t pid) {
	const struct stream_fixture *f = container_of(owner, struct stream_fixture, owner);

	return f->helper == pid;
}

static struct stream_fixture *setup(const struct probe_class *class) {
	struct stream_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->loop = new_loop();
	f->class = class;
	f->owner.on_outcome = on_outcome;
	f->owner.is_helper = is_helper;
	f->peer = -1;
	f->n_fds = count_fds();
	return f;
}

static void bind_and_listen(struct stream_fixture *f, const struct dial_address *a) {
	f->listener = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(bind(f->listener, &a->any, a->length), 0);
	assert_int_equal(listen(f->listener, 128), 0);
}

int stream_fixture_setup_tcp(void **state) {
	struct stream_fixture *f = setup(&probe_tcp);
	struct dial_target t;
	struct dial_address *a = &t.addresses[0];

	assert_int_equal(dial_target_host(&t, "127.0.0.1", 0), 0);
	bind_and_listen(f, a);
	assert_int_equal(getsockname(f->listener, &a->any, &a->length), 0);
	snprintf(f->target, sizeof(f->target), "127.0.0.1:%u", ntohs(a->in.sin_port));
	*state = f;
	return 0;
}

int stream_fixture_setup_unix(void **state) {
	struct stream_fixture *f = setup(&probe_unix);
	struct dial_target t;

	strcpy(f->folder, "/tmp/sdwd-stream-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->target, sizeof(f->target), "%s/socket", f->folder);
	assert_int_equal(dial_target_path(&t, f->target), 0);
	bind_and_listen(f, &t.addresses[0]);
	*state = f;
	return 0;
}

static void drop_probe(struct stream_fixture *f) {
	if (f->probe)
		f->class->done(&f->probe->probe);
	free(f->probe);
	f->probe = NULL;
	if (f->conf.settings)
		f->class->kind->settings_done(f->conf.settings);
	free(f->conf.settings);
	f->conf.settings = NULL;
}

int stream_fixture_teardown(void **state) {
	struct stream_fixture *f = *state;

	drop_probe(f);
	f->peer = fd_close(f->peer);
	f->listener = fd_close(f->listener);
	assert_int_equal(count_fds(), f->n_fds);
	ev_loop_destroy(f->loop);
	if (f->folder[0] != '\0') {
		unlink(f->target);
		rmdir(f->folder);
	}
	free(f);
	return 0;
}

int stream_fixture_probe(struct stream_fixture *f, const char *target, const char *const *options) {
	int r;

	drop_probe(f);
	r = make_settings(&f->conf, f->class->kind, target, options, f->reason, sizeof(f->reason));
	if (r < 0)
		return r;

	assert_int_equal(f->class->size, sizeof(*f->probe));
	f->probe = calloc(1, sizeof(*f->probe));
	assert_non_null(f->probe);
	f->probe->probe = (struct probe){.class = f->class,
					 .conf = &f->conf,
					 .owner = &f->owner,
					 .loop = f->loop};
	return 0;
}

void stream_fixture_aim(struct stream_fixture *f, const char *const *options) {
	if (stream_fixture_probe(f, f->target, options) < 0)
		fail_msg("%s: %s", f->target, f->reason);
}

static void on_too_late(struct ev_loop *loop, struct ev_timer *timer, int events) {
	fail_msg("nothing happens");
}

/* One turn of the loop in which something happens. */
static void turn(struct stream_fixture *f) {
	struct ev_timer timer;

	ev_timer_init(&timer, on_too_late, PATIENCE_SEC, 0);
	ev_now_update(f->loop);
	ev_timer_start(f->loop, &timer);
	ev_run(f->loop, EVRUN_ONCE);
	ev_timer_stop(f->loop, &timer);
}

void stream_fixture_start(struct stream_fixture *f) {
	f->n_outcomes = 0;
	f->peer = fd_close(f->peer);
	f->is_over = f->class->start(&f->probe->probe, &f->outcome) == PROBE_DONE;
}

void stream_fixture_begin(struct stream_fixture *f) {
	stream_fixture_start(f);
	while (!f->is_over && f->probe->phase == STREAM_CONNECTING)
		turn(f);
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->peer >= 0);
}

void stream_fixture_check_fds(const struct stream_fixture *f) {
	bool is_lingering = f->probe->phase == STREAM_LINGERING;

	assert_int_equal(count_fds(),
			 f->n_fds + (f->listener >= 0) + (f->peer >= 0) + is_lingering);
}

void stream_fixture_linger(struct stream_fixture *f) {
	while (f->probe->phase == STREAM_LINGERING)
		turn(f);
	stream_fixture_check_fds(f);
}

void stream_fixture_hear(struct stream_fixture *f, size_t received) {
	while (!f->is_over && f->probe->received < received)
		turn(f);
}

static void check(struct stream_fixture *f, enum cause cause, const char *text) {
	if (f->outcome.cause != cause || (text && !strstr(f->outcome.text, text)))
		fail_msg("%s: %s, wanted %s: %s", cause_str(f->outcome.cause), f->outcome.text,
			 cause_str(cause), text ? text : "");
	assert_int_equal(f->outcome.verdict, cause_verdict(cause));
	assert_true(f->probe->phase == STREAM_IDLE || f->probe->phase == STREAM_LINGERING);
	stream_fixture_check_fds(f);
}

void stream_fixture_expect(struct stream_fixture *f, enum cause cause, const char *text) {
	while (!f->is_over)
		turn(f);
	check(f, cause, text);
	/* Once, and no more. */
	ev_run(f->loop, EVRUN_NOWAIT);
	assert_true(f->n_outcomes <= 1);
}

void stream_fixture_say(struct stream_fixture *f, const char *data, size_t length) {
	size_t before = f->probe->received;

	assert_int_equal(send(f->peer, data, length, MSG_NOSIGNAL), length);
	stream_fixture_hear(f, before + length);
}

void stream_fixture_close(struct stream_fixture *f) {
	f->peer = fd_close(f->peer);
}

void stream_fixture_expire(struct stream_fixture *f, enum cause cause, const char *text) {
	assert_false(f->is_over);
	memset(&f->outcome, 0xff, sizeof(f->outcome));
	f->class->expire(&f->probe->probe, &f->outcome);
	assert_int_equal(f->n_outcomes, 0);
	f->is_over = true;
	check(f, cause, text);
	ev_run(f->loop, EVRUN_NOWAIT);
	assert_int_equal(f->n_outcomes, 0);
}

char *stream_fixture_heard(struct stream_fixture *f, size_t *ret_length) {
	char *data = calloc(1, 64 * 1024);
	ptrdiff_t n;

	assert_non_null(data);
	n = fd_read_all(f->peer, data, 64 * 1024 - 1);
	assert_true(n >= 0);
	*ret_length = (size_t)n;
	return data;
}
