/* SPDX-License-Identifier: MIT */
#include "probe/listen_queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/usec.h"
#include "queue_fixture.h"

#define PATIENCE (30 * USEC_PER_SEC)

struct world {
	struct queue_fixture *f;
	void *settings;
	struct probe_conf conf;
	struct probe *p;
	struct outcome last;
	char target[160];
	char reason[512];
};

static struct {
	int refuse_with; /* errno of socket(AF_NETLINK) */
	bool has_no_proc;
	bool is_remote;
} fake;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __real_statfs(const char *path, struct statfs *ret);
int __wrap_statfs(const char *path, struct statfs *ret);

int __wrap_socket(int family, int type, int protocol) {
	if (family == AF_NETLINK && fake.refuse_with != 0) {
		errno = fake.refuse_with;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

int __wrap_access(const char *path, int mode) {
	if (fake.has_no_proc) {
		errno = ENOENT;
		return -1;
	}
	return __real_access(path, mode);
}

int __wrap_statfs(const char *path, struct statfs *ret) {
	int r = __real_statfs(path, ret);

	if (fake.is_remote)
		ret->f_type = 0x6969;
	return r;
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));
	void *f;

	assert_non_null(w);
	assert_int_equal(queue_fixture_setup(&f), 0);
	w->f = f;
	w->settings = calloc(1, probe_listen_queue.kind->settings_size);
	w->p = calloc(1, probe_listen_queue.size);
	assert_non_null(w->settings);
	assert_non_null(w->p);
	w->conf = (struct probe_conf){.kind = probe_listen_queue.kind,
				      .settings = w->settings,
				      .target = w->target,
				      .timeout_usec = 4800 * USEC_PER_MSEC};
	*w->p = (struct probe){.class = &probe_listen_queue, .conf = &w->conf};
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;
	void *f = w->f;

	memset(&fake, 0, sizeof(fake));
	probe_listen_queue.done(w->p);
	assert_int_equal(queue_fixture_teardown(&f), 0);
	free(w->settings);
	free(w->p);
	free(w);
	return 0;
}

static int check(struct world *w, const char *target) {
	struct text error = TEXT_OVER(w->reason);

	memset(w->settings, 0, probe_listen_queue.kind->settings_size);
	snprintf(w->target, sizeof(w->target), "%s", target);
	return probe_listen_queue.kind->check(target, w->settings, &error);
}

static void listen_tcp(struct world *w, int family) {
	char target[16];

	queue_fixture_tcp(w->f, 0, family, 50, false);
	snprintf(target, sizeof(target), "%u", w->f->port);
	assert_int_equal(check(w, target), 0);
}

static void listen_unix(struct world *w, const char *path) {
	queue_fixture_unix(w->f, 0, path, 50);
	assert_int_equal(check(w, w->f->address.sun_path), 0);
}

/* A look begins that does not end at once, as somebody waits. */
static void begin(struct world *w) {
	usec_t give_up_at = usec_now() + PATIENCE;
	int r;

	while ((r = probe_listen_queue.start(w->p, &w->last)) == PROBE_DONE &&
	       usec_now() < give_up_at)
		;
	assert_int_equal(r, 0);
}

static void expect_at_once(struct world *w, enum cause cause) {
	assert_int_equal(probe_listen_queue.start(w->p, &w->last), PROBE_DONE);
	assert_int_equal(w->last.cause, cause);
}

static void expect_at_the_end(struct world *w, enum cause cause) {
	probe_listen_queue.expire(w->p, &w->last);
	assert_int_equal(w->last.cause, cause);
}

static void check_story(struct world *w, int family, bool is_known_by_id) {
	expect_at_once(w, CAUSE_OK);
	assert_string_equal(w->last.text, "nothing waits");

	queue_fixture_connect(w->f, family, 1);
	begin(w);
	if (is_known_by_id) {
		expect_at_the_end(w, CAUSE_NOT_ACCEPTING);
		assert_string_equal(w->last.text,
				    "1 connection not accepted for 4.8s (1 in the queue)");
	} else {
		expect_at_the_end(w, CAUSE_SELF);
		assert_string_equal(w->last.text,
				    "1 in the queue, and whether it moves cannot be seen");
	}

	begin(w);
	queue_fixture_accept(w->f, 0);
	expect_at_the_end(w, CAUSE_OK);
	assert_string_equal(w->last.text, "nothing waits");

	queue_fixture_connect(w->f, family, 3);
	begin(w);
	queue_fixture_accept(w->f, 0);
	expect_at_the_end(w, CAUSE_OK);
	assert_string_equal(w->last.text, "the queue moves");

	begin(w);
	w->f->listeners[0] = (close(w->f->listeners[0]), -1);
	expect_at_the_end(w, CAUSE_CONNECT_REFUSED);
	expect_at_once(w, CAUSE_CONNECT_REFUSED);
	assert_non_null(strstr(w->last.text, "nothing listens "));
	assert_non_null(strstr(w->last.text, w->target));
}

static void test_a_port(void **state) {
	struct world *w = *state;

	listen_tcp(w, AF_INET);
	check_story(w, AF_INET, true);
	assert_null(probe_listen_queue.kind->note(w->settings));
}

static void test_a_unix_socket(void **state) {
	struct world *w = *state;

	listen_unix(w, "sock");
	check_story(w, AF_UNIX, true);
}

static void test_an_abstract_unix_socket(void **state) {
	struct world *w = *state;
	char target[128];

	queue_fixture_unix(w->f, 0, "@sock", 50);
	snprintf(target, sizeof(target), "@%s", w->f->address.sun_path + 1);
	assert_int_equal(check(w, target), 0);
	check_story(w, AF_UNIX, true);
}

static void test_both_families_of_a_port(void **state) {
	struct world *w = *state;

	listen_tcp(w, AF_INET6);
	check_story(w, AF_INET6, true);
}

/* Where netlink is refused --------------------------------------------------------------------- */

static void test_without_netlink_a_port_is_looked_at_in_proc(void **state) {
	static const int errors[] = {EAFNOSUPPORT, EPROTONOSUPPORT, EPERM, EACCES};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct world *w = *state;

		fake.refuse_with = errors[i];
		w->f->port = 0;
		/* What runs beside fills the table of IPv4. */
		listen_tcp(w, AF_INET6);
		assert_non_null(
			strstr(probe_listen_queue.kind->note(w->settings), strerror(errors[i])));
		assert_non_null(strstr(probe_listen_queue.kind->note(w->settings), "AF_NETLINK"));
		check_story(w, AF_INET6, true);
	}
}

static void test_without_netlink_a_unix_socket_is_only_counted(void **state) {
	struct world *w = *state;
	char target[128];

	fake.refuse_with = EAFNOSUPPORT;
	queue_fixture_unix(w->f, 0, "@sock", 50);
	snprintf(target, sizeof(target), "@%s", w->f->address.sun_path + 1);
	assert_int_equal(check(w, target), 0);
	check_story(w, AF_UNIX, false);
}

static void test_without_both_it_is_an_error(void **state) {
	struct world *w = *state;

	fake.refuse_with = EAFNOSUPPORT;
	fake.has_no_proc = true;
	assert_int_equal(check(w, "80"), -EAFNOSUPPORT);
	assert_non_null(strstr(w->reason, "neither netlink (Address family not supported"));
	assert_int_equal(check(w, "/run/x"), -EAFNOSUPPORT);
}

/* For all of its life the service would be looked at in the lesser way. */
static void test_a_want_at_the_start_is_no_refusal(void **state) {
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
	struct world *w = *state;
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fake.refuse_with = errors[i];
		snprintf(text, sizeof(text), "netlink: %s", strerror(errors[i]));
		assert_int_equal(check(w, "80"), -errors[i]);
		assert_string_equal(w->reason, text);
		w->reason[0] = '\0';
	}
}

static void test_what_fails_later_is_unknown(void **state) {
	struct world *w = *state;

	listen_tcp(w, AF_INET);
	queue_fixture_connect(w->f, AF_INET, 1);
	begin(w);
	fake.refuse_with = EMFILE;
	expect_at_the_end(w, CAUSE_SELF);
	assert_string_equal(w->last.text, "sdwd cannot look: netlink: Too many open files");
	expect_at_once(w, CAUSE_SELF);
	fake.refuse_with = 0;
	begin(w);
	expect_at_the_end(w, CAUSE_NOT_ACCEPTING);
}

/* The look ------------------------------------------------------------------------------------- */

static void test_a_cancelled_look_is_forgotten(void **state) {
	struct world *w = *state;

	listen_tcp(w, AF_INET);
	queue_fixture_connect(w->f, AF_INET, 1);
	begin(w);
	probe_listen_queue.cancel(w->p);
	probe_listen_queue.cancel(w->p);
	queue_fixture_accept(w->f, 0);
	expect_at_once(w, CAUSE_OK);
}

static void test_a_full_queue_that_moves_is_good(void **state) {
	struct world *w = *state;

	listen_tcp(w, AF_INET);
	queue_fixture_connect(w->f, AF_INET, 50);
	for (size_t round = 0; round < 20; round++) {
		begin(w);
		queue_fixture_accept(w->f, 0);
		queue_fixture_connect(w->f, AF_INET, 1);
		expect_at_the_end(w, CAUSE_OK);
	}
}

static void test_of_two_families_one_that_stands_is_enough(void **state) {
	struct world *w = *state;
	char target[16];

	do {
		w->f->listeners[0] = (close(w->f->listeners[0]), -1);
		w->f->port = 0;
		queue_fixture_tcp(w->f, 0, AF_INET, 50, false);
	} while (!queue_fixture_tcp(w->f, 1, AF_INET6, 50, false));
	snprintf(target, sizeof(target), "%u", w->f->port);
	assert_int_equal(check(w, target), 0);
	queue_fixture_connect(w->f, AF_INET6, 2);
	begin(w);
	queue_fixture_connect(w->f, AF_INET, 1);
	queue_fixture_accept(w->f, 0);
	expect_at_the_end(w, CAUSE_NOT_ACCEPTING);
}

/* What it takes -------------------------------------------------------------------------------- */

static const struct {
	const char *target, *error;
} bad[] = {
	{"", "'' is neither a port nor the path of a Unix socket (one in this folder is ./NAME)"},
	{"0", "'0' is not a port (1-65535)"},
	{"65536", "'65536' is not a port (1-65535)"},
	{"99999999999999999999", "'99999999999999999999' is not a port (1-65535)"},
	{"-1", "'-1' is neither a port nor the path of a Unix socket (one in this folder is "
	       "./NAME)"},
	{"localhost:80", "'localhost:80' is neither a port nor the path of a Unix socket (one in "
			 "this folder is ./NAME)"},
	{"@", "'@': Invalid argument"},
};

static void test_targets_that_are_none(void **state) {
	struct world *w = *state;
	char longest[200];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(check(w, bad[i].target) < 0);
		assert_string_equal(w->reason, bad[i].error);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[150] = '\0';
	assert_int_equal(check(w, longest), -ENAMETOOLONG);
	assert_non_null(strstr(w->reason, "longer than the address of a Unix socket can be"));
	assert_int_equal(check(w, "65535"), 0);
	assert_int_equal(check(w, "1"), 0);
	assert_int_equal(check(w, "./x"), 0);
}

static void test_a_remote_file_system_is_told(void **state) {
	struct world *w = *state;

	fake.is_remote = true;
	assert_int_equal(check(w, "/tmp/x"), 0);
	assert_non_null(strstr(probe_listen_queue.kind->note(w->settings), "NFS"));
	assert_int_equal(check(w, "@x"), 0);
	assert_null(probe_listen_queue.kind->note(w->settings));
	assert_int_equal(check(w, "80"), 0);
	assert_null(probe_listen_queue.kind->note(w->settings));
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_port),
		CASE(test_a_unix_socket),
		CASE(test_an_abstract_unix_socket),
		CASE(test_both_families_of_a_port),
		CASE(test_without_netlink_a_port_is_looked_at_in_proc),
		CASE(test_without_netlink_a_unix_socket_is_only_counted),
		CASE(test_without_both_it_is_an_error),
		CASE(test_a_want_at_the_start_is_no_refusal),
		CASE(test_what_fails_later_is_unknown),
		CASE(test_a_cancelled_look_is_forgotten),
		CASE(test_a_full_queue_that_moves_is_good),
		CASE(test_of_two_families_one_that_stands_is_enough),
		CASE(test_targets_that_are_none),
		CASE(test_a_remote_file_system_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
