/* SPDX-License-Identifier: MIT */
#include "http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_settings.h"
#include "new_loop.h"

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	struct http_fixture *f = container_of(owner, struct http_fixture, owner);

	f->outcome = *o;
	f->n_outcomes++;
	ev_break(f->loop, EVBREAK_ALL);
}

int http_fixture_setup(void **state) {
	struct http_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->loop = new_loop();
	f->owner.on_outcome = on_outcome;
	f->n_fds = count_fds();
	*state = f;
	return 0;
}

static void drop_probe(struct http_fixture *f) {
	if (f->probe)
		probe_http.done(f->probe);
	free(f->probe);
	f->probe = NULL;
	if (f->conf.settings)
		probe_http.kind->settings_done(f->conf.settings);
	free(f->conf.settings);
	f->conf.settings = NULL;
}

int http_fixture_teardown(void **state) {
	struct http_fixture *f = *state;

	drop_probe(f);
	if (f->server.pid > 0)
		http_fixture_serve_end(f);
	free(f->requests);
	assert_int_equal(count_fds(), f->n_fds);
	ev_loop_destroy(f->loop);
	free(f);
	return 0;
}

int http_fixture_probe(struct http_fixture *f, const char *url, const char *const *options) {
	int r;

	drop_probe(f);
	r = make_settings(&f->conf, probe_http.kind, url, options, f->reason, sizeof(f->reason));
	if (r < 0)
		return r;

	f->probe = calloc(1, probe_http.size);
	assert_non_null(f->probe);
	*f->probe = (struct probe){.class = &probe_http,
				   .conf = &f->conf,
				   .owner = &f->owner,
				   .loop = f->loop};
	return 0;
}

static void on_too_late(struct ev_loop *loop, struct ev_timer *timer, int events) {
	ev_break(loop, EVBREAK_ALL);
}

void http_fixture_run(struct http_fixture *f, unsigned msec) {
	struct ev_timer timer;

	ev_timer_init(&timer, on_too_late, msec / 1000.0, 0);
	ev_now_update(f->loop);
	ev_timer_start(f->loop, &timer);
	ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &timer);
}

void http_fixture_look(struct http_fixture *f, unsigned timeout_msec) {
	f->n_outcomes = 0;
	f->has_expired = false;
	memset(&f->outcome, 0xff, sizeof(f->outcome));
	if (probe_http.start(f->probe, &f->outcome) == PROBE_DONE)
		return;
	http_fixture_run(f, timeout_msec);
	if (f->n_outcomes == 1)
		return;
	assert_int_equal(f->n_outcomes, 0);
	f->has_expired = true;
	probe_http.expire(f->probe, &f->outcome);
}

void http_fixture_serve(struct http_fixture *f, const char *target, const char *const *options,
			const struct http_script *scripts, size_t n_scripts) {
	f->server = http_server_start(AT_IPV4, scripts, n_scripts);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u%s", f->server.port, target);
	if (http_fixture_probe(f, f->url, options) < 0)
		fail_msg("%s: %s", f->url, f->reason);
}

void http_fixture_serve_end(struct http_fixture *f) {
	free(f->requests);
	f->requests = http_server_stop(&f->server, &f->n_connections);
	f->server = (struct http_server){0};
}

void http_fixture_expect(struct http_fixture *f, const struct http_script *script,
			 const char *const *options, unsigned timeout_msec, enum cause cause,
			 const char *text) {
	http_fixture_serve(f, "/health", options, script, 1);
	http_fixture_look(f, timeout_msec);
	if (f->outcome.cause != cause || (text && !strstr(f->outcome.text, text)))
		fail_msg("%s: %s, wanted %s: %s", cause_str(f->outcome.cause), f->outcome.text,
			 cause_str(cause), text ? text : "");
	assert_int_equal(f->outcome.verdict, cause_verdict(cause));
	assert_int_equal(f->has_expired, timeout_msec < LONG_MSEC);
	http_fixture_serve_end(f);
}
