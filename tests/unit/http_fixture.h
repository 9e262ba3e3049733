/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "http_server.h"
#include "make_settings.h"
#include "open_fds.h"
#include "probe/http.h"

/* A good response that says that the server closes. */
#define HTTP_OK "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nok body"

/* Far beyond what a look takes on a loaded machine. */
#define LONG_MSEC 60000

/* One http probe with its loop, and the last outcome. */
struct http_fixture {
	struct ev_loop *loop;
	struct probe_owner owner;
	struct probe_conf conf;
	struct probe *probe; /* NULL until http_fixture_probe() */
	struct outcome outcome;
	unsigned n_outcomes;
	bool has_expired; /* the last look was ended by its deadline */
	size_t n_fds;
	struct http_server server;
	char *requests; /* of the last server, after http_fixture_serve_end() */
	size_t n_connections;
	char url[256];
	char reason[512]; /* of a refused option or URL */
};

int http_fixture_setup(void **state);
int http_fixture_teardown(void **state);

/*
 * Makes the probe from @url and @options (name, value, ..., NULL; or NULL) through the option
 * table, as the command line does. Returns 0, or the negative errno with f->reason.
 */
int http_fixture_probe(struct http_fixture *f, const char *url, const char *const *options);

/* One look with a deadline: the outcome is in f->outcome. */
void http_fixture_look(struct http_fixture *f, unsigned timeout_msec);

/* Runs the loop for a while. */
void http_fixture_run(struct http_fixture *f, unsigned msec);

/* Starts f->server at 127.0.0.1 and makes the probe for "http://127.0.0.1:PORT" + @target. */
void http_fixture_serve(struct http_fixture *f, const char *target, const char *const *options,
			const struct http_script *scripts, size_t n_scripts);
void http_fixture_serve_end(struct http_fixture *f);

/* The whole of it: one script, one look, and what must come of it. @text: a part of its text. */
void http_fixture_expect(struct http_fixture *f, const struct http_script *script,
			 const char *const *options, unsigned timeout_msec, enum cause cause,
			 const char *text);

#define SCRIPT(...) (&(const struct http_script){__VA_ARGS__})
#define http_test(function) \
	cmocka_unit_test_setup_teardown(function, http_fixture_setup, http_fixture_teardown)
