/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_fixture.h"
#include "probe/http_url.h"

/* Redirects: not followed unless asked, and never away from the host. */

#define TO(status, location) \
	{ \
		"HTTP/1.1 " status \
		" x\r\nConnection: close\r\nContent-Length: 5\r\nLocation: " location \
		"\r\n\r\nmoved" \
	}
#define FOLLOW OPTIONS("http-follow", "same-host")

static const char *const statuses[] = {"301", "302", "307", "308"};

/* "HTTP/1.1 <status> ..." for each of the statuses. */
static struct http_script redirect(const char *status, const char *location) {
	static char reply[512];

	snprintf(reply, sizeof(reply),
		 "HTTP/1.1 %s x\r\nContent-Length: 5\r\nLocation: %s\r\n\r\nmoved", status,
		 location);
	return (struct http_script){reply};
}

static void check(struct http_fixture *f, enum cause cause, const char *text, size_t n) {
	http_fixture_look(f, LONG_MSEC);
	if (f->outcome.cause != cause || !strstr(f->outcome.text, text))
		fail_msg("%s: %s", cause_str(f->outcome.cause), f->outcome.text);
	assert_false(f->has_expired);
	http_fixture_serve_end(f);
	assert_int_equal(f->n_connections, n);
}

static void test_a12_redirect_not_followed(void **state) {
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct http_script script = redirect(statuses[i], "/new");

		http_fixture_serve(f, "/", NULL, &script, 1);
		check(f, CAUSE_OK, statuses[i], 1);
		assert_null(strstr(f->requests, "/new"));
	}
}

static void test_a12_redirect_followed(void **state) {
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct http_script scripts[] = {redirect(statuses[i], "/new"), {HTTP_OK}};

		http_fixture_serve(f, "/old?x=1", FOLLOW, scripts, 2);
		check(f, CAUSE_OK, "HTTP 200", 2);
		assert_non_null(strstr(f->requests, ">GET /new HTTP/1.1\r\n"));
	}
}

static void test_a13_followed_to_500(void **state) {
	static const struct http_script scripts[] = {TO("302", "/new"), {"HTTP/1.1 500 x\r\n\r\n"}};
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", FOLLOW, scripts, 2);
	check(f, CAUSE_HTTP_STATUS, "HTTP 500", 2);
}

static void test_a14_final_redirect_is_degraded(void **state) {
	static const struct http_script none = {"HTTP/1.1 308 x\r\nContent-Length: 2\r\n\r\nok"};
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", FOLLOW, &none, 1);
	check(f, CAUSE_DEGRADED, "308 without a usable Location", 1);
	assert_int_equal(f->outcome.verdict, VERDICT_WARN);
}

static void test_a15_other_host_is_not_fetched(void **state) {
	static const struct http_script scripts[] = {
		TO("302", "http://0.0.0.0/x"),       TO("302", "//example.com/x"),
		TO("302", "https://127.0.0.1/x"),    TO("302", "http://127.0.0.1:1/x"),
		TO("302", "ftp://127.0.0.1/x"),      TO("302", "http://[::1]/x"),
		TO("302", "http://u:p@127.0.0.1/x"),
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		http_fixture_serve(f, "/", FOLLOW, &scripts[i], 1);
		check(f, CAUSE_DEGRADED, "HTTP 302", 1);
	}
	/* A status that is not good stays so. */
	http_fixture_serve(f, "/", OPTIONS("http-follow", "same-host", "http-status", "200"),
			   &scripts[0], 1);
	check(f, CAUSE_HTTP_STATUS, "HTTP 302, not within 200", 1);
}

static void test_a16_redirect_loop(void **state) {
	static const struct http_script script = TO("302", "/again");
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", FOLLOW, &script, 1);
	check(f, CAUSE_HTTP_STATUS, "after 10 redirects", 11);
}

static void test_a17_host_header_is_kept(void **state) {
	static const struct http_script scripts[] = {TO("302", "http://muffins.org/new"),
						     {HTTP_OK}};
	struct http_fixture *f = *state;
	const char *second;

	/* The server takes the name for its own: that is the same host. */
	http_fixture_serve(f, "/",
			   OPTIONS("http-follow", "same-host", "http-header", "Host: muffins.org"),
			   scripts, 2);
	check(f, CAUSE_OK, "HTTP 200", 2);
	second = strstr(f->requests, ">GET /new ");
	assert_non_null(second);
	assert_non_null(strstr(second, "\r\nHost: muffins.org\r\n"));
}

static void test_method_after_redirect(void **state) {
	static const struct {
		const char *method, *status, *then;
	} cases[] = {
		{"POST", "301", ">GET /new "},  {"POST", "302", ">GET /new "},
		{"POST", "303", ">GET /new "},  {"POST", "307", ">POST /new "},
		{"POST", "308", ">POST /new "}, {"HEAD", "303", ">HEAD /new "},
		{"PUT", "302", ">PUT /new "},   {"PUT", "303", ">GET /new "},
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_script scripts[] = {redirect(cases[i].status, "/new"), {HTTP_OK}};

		http_fixture_serve(f, "/",
				   OPTIONS("http-follow", "same-host", "http-method",
					   cases[i].method),
				   scripts, 2);
		check(f, CAUSE_OK, "HTTP 200", 2);
		if (!strstr(f->requests, cases[i].then))
			fail_msg("%s, %s: %s", cases[i].method, cases[i].status, f->requests);
	}
}

/* One deadline for all hops together. */
static void test_redirect_into_silence(void **state) {
	static const struct http_script scripts[] = {TO("302", "/new"), {.then = THEN_HOLD}};
	struct http_fixture *f = *state;

	http_fixture_serve(f, "/", FOLLOW, scripts, 2);
	http_fixture_look(f, 500);
	assert_true(f->has_expired);
	assert_int_equal(f->outcome.cause, CAUSE_READ_TIMEOUT);
}

static void test_resolve(void **state) {
	static const struct {
		const char *location;
		int result;
		const char *target;
	} cases[] = {
		{"/new", 0, "/new"},
		{"/new#part", 0, "/new"},
		{"new", 0, "/a/b/new"},
		{"./new", 0, "/a/b/new"},
		{"../new", 0, "/a/new"},
		{"../../../../new", 0, "/new"},
		{"..", 0, "/a/"},
		{".", 0, "/a/b/"},
		{"/x/./y/../z?q=../r", 0, "/x/z?q=../r"},
		{"?r=2", 0, "/a/b/c?r=2"},
		{"#part", 0, "/a/b/c?q=1"},
		{"", 0, "/a/b/c?q=1"},
		{"a:b", -EXDEV, NULL},
		{"./a:b", 0, "/a/b/a:b"},
		{"http://h:8080/x", 0, "/x"},
		{"HTTP://H:8080", 0, "/"},
		{"//h:8080/y?z", 0, "/y?z"},
		{"http://h/x", -EXDEV, NULL},
		{"http://other:8080/x", -EXDEV, NULL},
		{"http://alias/x", 0, "/x"},
		{"https://h:8080/x", -EXDEV, NULL},
		{"mailto:x", -EXDEV, NULL},
		{"http://h:99999/x", -EINVAL, NULL},
		{"/with blank", -EINVAL, NULL},
		{"/with\x7f"
		 "del",
		 -EINVAL, NULL},
	};
	static const struct {
		const char *location;
		int result;
	} of_https[] = {
		{"https://h/x", 0},
		{"HTTPS://h:443/x", 0},
		{"//h/x", 0},
		{"/x", 0},
		{"http://h/x", -EXDEV},
		{"http://h:443/x", -EXDEV},
		{"https://h:80/x", -EXDEV},
	};
	struct http_url base, found;
	char reason[256], location[2 * HTTP_TARGET_MAX];
	struct text error = TEXT_OVER(reason);

	assert_int_equal(http_url_parse(&base, "http://h:8080/a/b/c?q=1", &error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = http_url_resolve(&base, "alias", cases[i].location, &found);

		if (r != cases[i].result || (r == 0 && strcmp(found.target, cases[i].target) != 0))
			fail_msg("%s: %d, %s", cases[i].location, r, r == 0 ? found.target : "");
	}
	assert_int_equal(http_url_parse(&base, "https://h/", &error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(of_https); i++)
		if (http_url_resolve(&base, NULL, of_https[i].location, &found) !=
		    of_https[i].result)
			fail_msg("%s", of_https[i].location);
	memset(location, 'x', sizeof(location));
	location[0] = '/';
	location[HTTP_TARGET_MAX] = '\0';
	assert_int_equal(http_url_resolve(&base, NULL, location, &found), -EINVAL);
	location[HTTP_TARGET_MAX - 1] = '\0';
	assert_int_equal(http_url_resolve(&base, NULL, location, &found), 0);
}

static void test_host_of_ipv6_has_no_zone(void **state) {
	char buffer[64], reason[64];
	struct text t = TEXT_OVER(buffer), error = TEXT_OVER(reason);
	struct http_url u;

	assert_int_equal(http_url_parse(&u, "http://[fe80::1%lo]:8080/", &error), 0);
	http_url_add_authority(&u, &t);
	assert_string_equal(buffer, "[fe80::1]:8080");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		http_test(test_a12_redirect_not_followed),
		http_test(test_a12_redirect_followed),
		http_test(test_a13_followed_to_500),
		http_test(test_a14_final_redirect_is_degraded),
		http_test(test_a15_other_host_is_not_fetched),
		http_test(test_a16_redirect_loop),
		http_test(test_a17_host_header_is_kept),
		http_test(test_method_after_redirect),
		http_test(test_redirect_into_silence),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_host_of_ipv6_has_no_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
