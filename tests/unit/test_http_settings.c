/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "http_fixture.h"
#include "probe/http_settings.h"

/* What the options make of the request, and what they refuse. */

/* The request that a look sends to "http://127.0.0.1:PORT" + @target. */
static const char *request(struct http_fixture *f, const char *target, const char *const *options) {
	http_fixture_serve(f, target, options, SCRIPT(HTTP_OK), 1);
	http_fixture_look(f, LONG_MSEC);
	assert_int_equal(f->outcome.cause, CAUSE_OK);
	http_fixture_serve_end(f);
	assert_int_equal(f->n_connections, 1);
	return f->requests + 1;
}

static void check_has(struct http_fixture *f, const char *const *options, const char *line) {
	const char *sent = request(f, "/", options);

	if (!strstr(sent, line))
		fail_msg("no %s in %s", line, sent);
}

static void check_lacks(struct http_fixture *f, const char *const *options, const char *line) {
	const char *sent = request(f, "/", options);

	if (strstr(sent, line))
		fail_msg("%s in %s", line, sent);
}

/* @url and @options are refused with @reason in the text. */
static void check_refused(struct http_fixture *f, const char *url, const char *const *options,
			  const char *reason) {
	int r = http_fixture_probe(f, url, options);

	if (r >= 0 || !strstr(f->reason, reason))
		fail_msg("%s: %d: %s", url, r, r < 0 ? f->reason : "");
}

static void test_a2_the_request(void **state) {
	struct http_fixture *f = *state;
	char wanted[512];
	const char *sent = request(f, "/health", NULL);

	snprintf(wanted, sizeof(wanted),
		 "GET /health HTTP/1.1\r\nHost: %s\r\nUser-Agent: sdwd/" SDWD_VERSION
		 "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		 strndupa(f->url + 7, strcspn(f->url + 7, "/")));
	assert_string_equal(sent, wanted);
}

static void test_a3_user_agent_replaced(void **state) {
	const char *const *options = OPTIONS("http-header", "User-Agent: foo/1.0");

	check_has(*state, options, "\r\nUser-Agent: foo/1.0\r\n");
	check_lacks(*state, options, "sdwd/");
}

static void test_a4_user_agent_left_out(void **state) {
	check_lacks(*state, OPTIONS("http-header", "User-Agent:"), "User-Agent");
	check_lacks(*state, OPTIONS("http-header", "user-agent: "), "ser-");
}

static void test_a5_accept(void **state) {
	check_lacks(*state, OPTIONS("http-header", "Accept:"), "Accept");
	check_has(*state, OPTIONS("http-header", "Accept: text/html"), "\r\nAccept: text/html\r\n");
	check_lacks(*state, OPTIONS("http-header", "Accept: text/html"), "*/*");
	check_has(*state, NULL, "\r\nAccept: */*\r\n");
}

static void test_a6_repeated_headers(void **state) {
	check_has(*state,
		  OPTIONS("http-header", "X-Muffins: 1", "http-header", "A: b", "http-header",
			  "A:c"),
		  "\r\nX-Muffins: 1\r\nA: b\r\nA: c\r\n");
}

static void test_a7_host_replaced(void **state) {
	const char *const *options = OPTIONS("http-header", "Host: muffins.cupcakes.org");

	check_has(*state, options, "\r\nHost: muffins.cupcakes.org\r\n");
	check_lacks(*state, options, "Host: 127.0.0.1");
}

static void test_a8_accept_encoding(void **state) {
	check_lacks(*state, NULL, "Accept-Encoding");
	check_has(*state, OPTIONS("http-header", "Accept-Encoding: foo"),
		  "\r\nAccept-Encoding: foo\r\n");
}

static void test_a22_targets(void **state) {
	static const struct {
		const char *target, *wanted;
	} cases[] = {
		{"", "GET / HTTP/1.1\r\n"},
		{"/", "GET / HTTP/1.1\r\n"},
		{"/path", "GET /path HTTP/1.1\r\n"},
		{"?foo", "GET /?foo HTTP/1.1\r\n"},
		{"/path?bar", "GET /path?bar HTTP/1.1\r\n"},
		{"/path?bar#part", "GET /path?bar HTTP/1.1\r\n"},
		{"#part", "GET / HTTP/1.1\r\n"},
		{"/a/../b/%2e?x=http://y@z", "GET /a/../b/%2e?x=http://y@z HTTP/1.1\r\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *sent = request(*state, cases[i].target, NULL);

		if (strncmp(sent, cases[i].wanted, strlen(cases[i].wanted)) != 0)
			fail_msg("%s: %s", cases[i].target, sent);
	}
}

static void test_a23_header_names_in_any_case(void **state) {
	check_has(*state, OPTIONS("http-header", "HOST: x"), "\r\nHOST: x\r\n");
	check_lacks(*state, OPTIONS("http-header", "HOST: x"), "Host:");
	check_has(*state, OPTIONS("http-header", "FOO-bAR: y"), "\r\nFOO-bAR: y\r\n");
}

static void test_a25_methods(void **state) {
	struct http_fixture *f = *state;

	assert_memory_equal(request(f, "/", OPTIONS("http-method", "POST")), "POST / ", 7);
	assert_non_null(strstr(f->requests, "\r\nContent-Length: 0\r\n"));
	assert_memory_equal(request(f, "/", OPTIONS("http-method", "abc")), "abc / ", 6);
	assert_memory_equal(request(f, "/", OPTIONS("http-method", "Get")), "Get / ", 6);
	assert_null(strstr(f->requests, "Content-Length"));
	/* A response to HEAD has no body, whatever its length says. */
	http_fixture_expect(f,
			    SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
				   .then = THEN_HOLD),
			    OPTIONS("http-method", "HEAD"), LONG_MSEC, CAUSE_OK, NULL);
	assert_memory_equal(f->requests, ">HEAD /", 7);

	check_refused(f, "http://127.0.0.1/", OPTIONS("http-method", ""), "is no method");
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-method", "GET /"), "is no method");
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-method", "CONNECT"), "tunnel");
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-method", "HEAD", "http-body", "x"),
		      "can never match");
}

static void test_a34_urls(void **state) {
	static const struct {
		const char *url, *host;
		uint16_t port;
	} good[] = {
		{"HTTP://127.0.0.1/", "127.0.0.1", 80},
		{"hTtP://LOCALHOST:8080", "LOCALHOST", 8080},
		{"http://127.0.0.1:/", "127.0.0.1", 80},
		{"http://127.0.0.1:1", "127.0.0.1", 1},
		{"http://127.0.0.1:65535?x", "127.0.0.1", 65535},
		{"http://[::1]", "::1", 80},
		{"http://[::1]:8080/x", "::1", 8080},
		{"http://[fe80::1%lo]:8080/x", "fe80::1%lo", 8080},
		{"http://[fe80::1%25lo]/", "fe80::1%lo", 80},
	};
	static const struct {
		const char *url, *reason;
	} bad[] = {
		{"127.0.0.1:8080/", "does not begin with http:// or https://"},
		{"ftp://127.0.0.1/", "does not begin with http:// or https://"},
		{"http:/127.0.0.1/", "does not begin with http:// or https://"},
		{"", "does not begin with http:// or https://"},
		{"http://", "has no host"},
		{"http:///path", "has no host"},
		{"http://:80/", "has no host"},
		{"http://127.0.0.1:0/", "no port within 1-65535"},
		{"http://127.0.0.1:65536/", "no port within 1-65535"},
		{"http://127.0.0.1:080808/", "no port within 1-65535"},
		{"http://127.0.0.1:-1/", "no port within 1-65535"},
		{"http://127.0.0.1:http/", "no port within 1-65535"},
		{"http://::1/", "without brackets"},
		{"http://[::1/", "no closing bracket"},
		{"http://[::1]8080/", "behind its brackets"},
		{"http://[127.0.0.1]/", "no IPv6 address"},
		{"http://[]/", "no IPv6 address"},
		{"http://[fe80::1%]/", "empty IPv6 zone"},
		{"http://[fe80::1%no-such-if]/", "interface that is not there"},
		{"http://127.0.0.1/a b", "blank or control"},
		{"http://127.0.0.1/a\r\nX: y", "blank or control"},
		{"http://127.0.0.1\\@x/", "--http-header=@FILE"},
		{"http://a%41/", "bad character in its host"},
		{"http://127.1/", "the host '127.1' is neither an address nor a name"},
		{"http://300.1.1.1/", "neither an address nor a name"},
		{"https://web.1/", "neither an address nor a name"},
		{"http://a..b/", "neither an address nor a name"},
		{"https://127.0.0.1:0/", "no port within 1-65535"},
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct http_settings *s;

		if (http_fixture_probe(f, good[i].url, NULL) < 0)
			fail_msg("%s: %s", good[i].url, f->reason);
		s = f->conf.settings;
		assert_string_equal(s->url.host, good[i].host);
		assert_int_equal(s->url.port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_refused(f, bad[i].url, NULL, bad[i].reason);
}

/* What only the prober can look at, and where it looks. */
static void test_https_and_names(void **state) {
	static const struct {
		const char *url, *connect, *why, *name;
		uint16_t port;
	} cases[] = {
		{"https://127.0.0.1/", NULL, "https", "", 443},
		{"HTTPS://localhost:8443/x", NULL, "https", "", 8443},
		{"https://web.example", NULL, "https", "web.example", 443},
		{"http://web.example/", NULL, "a host name", "web.example", 80},
		{"http://a_b.example.:81/", NULL, "a host name", "a_b.example.", 81},
		{"http://127.0.0.1/", NULL, NULL, "", 80},
		{"http://web.example/", "127.0.0.1:81", NULL, "", 81},
		{"http://127.0.0.1:1/", "web.example", "a host name", "web.example", 1},
		{"https://127.0.0.1/", "web.example:2", "https", "web.example", 2},
		{"https://web.example/", "[::1]", "https", "", 443},
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const *options =
			cases[i].connect ? OPTIONS("http-connect", cases[i].connect) : NULL;
		const struct http_settings *s;
		const char *why;

		if (http_fixture_probe(f, cases[i].url, options) < 0)
			fail_msg("%s: %s", cases[i].url, f->reason);
		s = f->conf.settings;
		why = http_settings_need_prober(s);
		if (why ? !cases[i].why || strcmp(why, cases[i].why) != 0 : cases[i].why != NULL)
			fail_msg("%s: %s", cases[i].url, why);
		assert_string_equal(s->name, cases[i].name);
		assert_int_equal(s->port, cases[i].port);
		assert_int_equal(s->target.n_addresses == 0, s->name[0] != '\0');
	}
	assert_int_equal(http_fixture_probe(f, "https://web.example/",
					    OPTIONS("http-unix", "/run/web")),
			 0);
	assert_string_equal(((struct http_settings *)f->conf.settings)->name, "");
}

static void test_options_of_tls(void **state) {
	static const char *const needed[][3] = {
		{"http-ca", "/dev/null", NULL},
		{"http-cert", "/dev/null", NULL},
		{"http-insecure", "yes", NULL},
	};
	struct http_fixture *f = *state;
	char wanted[128];

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		snprintf(wanted, sizeof(wanted), "--%s is for https, and the URL is http",
			 needed[i][0]);
		check_refused(f, "http://127.0.0.1/", needed[i], wanted);
		if (http_fixture_probe(f, "https://127.0.0.1/", needed[i]) < 0)
			fail_msg("%s: %s", needed[i][0], f->reason);
	}
	check_refused(f, "https://127.0.0.1/", OPTIONS("http-key", "/dev/null"),
		      "--http-key needs --http-cert");
	check_refused(f, "https://127.0.0.1/",
		      OPTIONS("http-ca", "/dev/null", "http-insecure", "yes"),
		      "--http-ca has no effect with --http-insecure");
	check_refused(f, "https://127.0.0.1/", OPTIONS("http-ca", ""), "'': No such file");
	check_refused(f, "https://127.0.0.1/", OPTIONS("http-cert", "/nonexistent"),
		      "'/nonexistent': No such file");
	check_refused(f, "https://127.0.0.1/", OPTIONS("http-key", "/"), "directory");
	assert_int_equal(http_fixture_probe(f, "https://127.0.0.1/",
					    OPTIONS("http-cert", "/dev/null", "http-key",
						    "/dev/null")),
			 0);
}

static void test_userinfo_is_refused_and_not_shown(void **state) {
	struct http_fixture *f = *state;

	check_refused(f, "http://me:secret@127.0.0.1/", NULL, "--http-header=@FILE");
	assert_null(strstr(f->reason, "secret"));
}

static void test_bad_headers(void **state) {
	static const struct {
		const char *value, *reason;
	} cases[] = {
		{"X-Y", "has no colon"},
		{"", "has no colon"},
		{": x", "no valid header name"},
		{"X Y: z", "no valid header name"},
		{"X\r\nY: z", "no valid header name"},
		{"X : z", "no valid header name"},
		{"X: y\r\nEvil: z", "control character"},
		{"X: y\nEvil: z", "control character"},
		{"X: y\x01", "control character"},
		{"Content-Length: 5", "announces a body"},
		{"transfer-encoding: chunked", "announces a body"},
		{"@/nonexistent/file", "No such file"},
		{"@/", "directory"},
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", cases[i].value),
			      cases[i].reason);
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", "Authorization: secret\r\nx"),
		      "'Authorization' has a control character");
	assert_null(strstr(f->reason, "secret"));
}

/* Writes @data to a fresh file. @path gets "@" and its path. */
static void write_file(char path[static 64], const void *data, size_t size) {
	int fd;

	strcpy(path, "@/tmp/sdwd-header-XXXXXX");
	fd = mkstemp(path + 1);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size), 0);
	fd_close(fd);
}

static void test_headers_from_a_file(void **state) {
	static const char good[] = "Authorization: Basic c2VjcmV0\r\n\nX-Two:  two \nUser-Agent:";
	static const char bad[] = "X: y\nsecret\n", nul[] = "X: \0y\n", empty[] = "\n\n";
	static char large[20000];
	struct http_fixture *f = *state;
	char path[64], with_name[128];
	const char *sent;

	write_file(path, good, sizeof(good) - 1);
	sent = request(f, "/", OPTIONS("http-header", "A: 1", "http-header", path));
	assert_non_null(strstr(sent, "\r\nA: 1\r\nAuthorization: Basic c2VjcmV0\r\nX-Two: "
				     "two\r\n\r\n"));
	assert_null(strstr(sent, "User-Agent"));
	unlink(path + 1);

	write_file(path, bad, sizeof(bad) - 1);
	snprintf(with_name, sizeof(with_name), "line 2 of '%s' has no colon", path + 1);
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", path), with_name);
	assert_null(strstr(f->reason, "secret"));
	assert_int_equal(((struct http_settings *)f->conf.settings)->headers.n_items, 0);
	unlink(path + 1);

	write_file(path, nul, sizeof(nul) - 1);
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", path), "control character");
	unlink(path + 1);
	write_file(path, empty, sizeof(empty) - 1);
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", path), "has no header");
	unlink(path + 1);
	memset(large, 'x', sizeof(large));
	write_file(path, large, sizeof(large));
	check_refused(f, "http://127.0.0.1/", OPTIONS("http-header", path),
		      "': is larger than 16384 bytes");
	unlink(path + 1);
}

static void test_too_many_headers(void **state) {
	char header[8000];

	memset(header, 'x', sizeof(header));
	header[1] = ':';
	header[sizeof(header) - 1] = '\0';
	check_refused(*state, "http://127.0.0.1/",
		      OPTIONS("http-header", header, "http-header", header), "too large");
	assert_int_equal(http_fixture_probe(*state, "http://127.0.0.1/",
					    OPTIONS("http-header", header)),
			 0);
}

static void test_bad_values(void **state) {
	char host[1000] = "";
	static const struct {
		const char *option, *value, *reason;
	} cases[] = {
		{"http-status", "", "is no list of statuses"},
		{"http-status", "20", "is no list of statuses"},
		{"http-status", "2000", "is no list of statuses"},
		{"http-status", "099", "is no list of statuses"},
		{"http-status", "300-200", "is no list of statuses"},
		{"http-status", "200,", "is no list of statuses"},
		{"http-status", "200-", "is no list of statuses"},
		{"http-status", "200 204", "is no list of statuses"},
		{"http-body", "", "is empty"},
		{"http-body", "(", "is no regular expression"},
		{"http-unix", "", "empty"},
		{"http-connect", "", "is no HOST"},
		{"http-connect", "a b", "is no HOST"},
		{"http-connect", "127.1", "is no HOST"},
		{"http-connect", "[name]", "is no HOST"},
		{"http-connect", "fe80::1%no-such-if", "interface that is not there"},
		{"http-connect", "127.0.0.1:0", "no port"},
		{"http-connect", "[::1", "is no HOST"},
		{"http-connect", "[::1]x", "is no HOST"},
		{"http-follow", "always", "always"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(*state, "http://127.0.0.1/", OPTIONS(cases[i].option, cases[i].value),
			      cases[i].reason);
	memset(host, 'x', sizeof(host) - 1);
	check_refused(*state, "http://127.0.0.1/", OPTIONS("http-connect", host), "is no HOST");
	check_refused(*state, "http://127.0.0.1/",
		      OPTIONS("http-unix", "/x", "http-connect", "127.0.0.1"), "exclude");
}

static void test_status_list(void **state) {
	struct http_fixture *f = *state;

	assert_int_equal(http_fixture_probe(f, "http://127.0.0.1/",
					    OPTIONS("http-status", "100,204,300-399,999")),
			 0);
	for (int status = 100; status < 1000; status++)
		assert_int_equal(http_status_is_good(f->conf.settings, status),
				 status == 100 || status == 204 ||
					 (status >= 300 && status <= 399) || status == 999);
}

static void test_connect(void **state) {
	static const struct {
		const char *value;
		int family;
		uint16_t port;
	} cases[] = {
		{"127.0.0.2", AF_INET, 8080}, {"127.0.0.2:81", AF_INET, 81},
		{"::1", AF_INET6, 8080},      {"[::1]", AF_INET6, 8080},
		{"[::1]:81", AF_INET6, 81},   {"localhost:81", AF_INET, 81},
	};
	struct http_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct http_settings *s;

		assert_int_equal(http_fixture_probe(f, "http://any.host:8080/",
						    OPTIONS("http-connect", cases[i].value)),
				 0);
		s = f->conf.settings;
		assert_int_equal(s->target.addresses[0].any.sa_family, cases[i].family);
		assert_int_equal(ntohs(s->target.addresses[0].in.sin_port), cases[i].port);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		http_test(test_a2_the_request),
		http_test(test_a3_user_agent_replaced),
		http_test(test_a4_user_agent_left_out),
		http_test(test_a5_accept),
		http_test(test_a6_repeated_headers),
		http_test(test_a7_host_replaced),
		http_test(test_a8_accept_encoding),
		http_test(test_a22_targets),
		http_test(test_a23_header_names_in_any_case),
		http_test(test_a25_methods),
		http_test(test_a34_urls),
		http_test(test_https_and_names),
		http_test(test_options_of_tls),
		http_test(test_userinfo_is_refused_and_not_shown),
		http_test(test_bad_headers),
		http_test(test_headers_from_a_file),
		http_test(test_too_many_headers),
		http_test(test_bad_values),
		http_test(test_status_list),
		http_test(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
