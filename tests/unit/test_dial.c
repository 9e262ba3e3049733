/* SPDX-License-Identifier: MIT */
#include "sys/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "dial_fixture.h"

/*
 * Sockets bound to one port of 127.0.0.1 and of ::1: bound, but not listening, it refuses and keeps
 * others away.
 */
struct ports {
	int v4, v6;
	uint16_t port;
};

static void ports_done(struct ports *p) {
	fd_close(p->v4);
	fd_close(p->v6);
}

static struct ports ports_open(void) {
	for (;;) {
		struct ports p = {.v4 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				  .v6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
		struct sockaddr_in in = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
		socklen_t size = sizeof(in);

		assert_true(p.v4 >= 0 && p.v6 >= 0);
		assert_int_equal(bind(p.v4, (struct sockaddr *)&in, sizeof(in)), 0);
		assert_int_equal(getsockname(p.v4, (struct sockaddr *)&in, &size), 0);
		p.port = ntohs(in.sin_port);
		in6.sin6_port = in.sin_port;
		if (bind(p.v6, (struct sockaddr *)&in6, sizeof(in6)) == 0)
			return p;
		ports_done(&p);
	}
}

static void test_addresses(void **state) {
	static const struct {
		const char *host;
		int result;
		size_t n;
		int family;
	} cases[] = {
		{"127.0.0.1", 0, 1, AF_INET},
		{"0.0.0.0", 0, 1, AF_INET},
		{"::1", 0, 1, AF_INET6},
		{"fe80::1%lo", 0, 1, AF_INET6},
		{"fe80::1%7", 0, 1, AF_INET6},
		{"::ffff:127.0.0.1", 0, 1, AF_INET6},
		{"localhost", 0, 2, AF_INET},
		{"LocalHost", 0, 2, AF_INET},
		{"fe80::1%no-such-if", -ENODEV, 0, 0},
		{"127.1", -EINVAL, 0, 0},
		{"0x7f.0.0.1", -EINVAL, 0, 0},
		{"127.0.0.1.", -EINVAL, 0, 0},
		{"127.0.0.1%lo", -EINVAL, 0, 0},
		{"[::1]", -EINVAL, 0, 0},
		{"::1%", -ENODEV, 0, 0},
		{"", -EINVAL, 0, 0},
		{"example.com", -EINVAL, 0, 0},
		{"localhost.localdomain", -EINVAL, 0, 0},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb%lo", -EINVAL, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dial_target t;
		int r = dial_target_host(&t, cases[i].host, 8080);

		if (r != cases[i].result)
			fail_msg("%s: %d", cases[i].host, r);
		if (r < 0)
			continue;
		assert_int_equal(t.n_addresses, cases[i].n);
		assert_int_equal(t.addresses[0].any.sa_family, cases[i].family);
		if (cases[i].family == AF_INET)
			assert_int_equal(ntohs(t.addresses[0].in.sin_port), 8080);
		else
			assert_int_equal(ntohs(t.addresses[0].in6.sin6_port), 8080);
	}
}

static void test_zone(void **state) {
	struct dial_target t;

	assert_int_equal(dial_target_host(&t, "fe80::1%7", 1), 0);
	assert_int_equal(t.addresses[0].in6.sin6_scope_id, 7);
	assert_int_equal(dial_target_host(&t, "fe80::1%lo", 1), 0);
	assert_int_equal(t.addresses[0].in6.sin6_scope_id, 1);
}

static void test_ipv4(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	int fd, flags;

	assert_int_equal(listen(p.v4, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "127.0.0.1", p.port), 0);
	fd = dial_fixture_dial(f);
	assert_true(fd >= 0);
	assert_int_equal(peer_family(fd), AF_INET);
	flags = fcntl(fd, F_GETFL);
	assert_true(flags & O_NONBLOCK);
	flags = fcntl(fd, F_GETFD);
	assert_true(flags & FD_CLOEXEC);
	ports_done(&p);
}

static void test_ipv6(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(listen(p.v6, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "::1", p.port), 0);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_INET6);
	ports_done(&p);
}

/* B7: the real error, not that the connection was in progress. */
static void test_b7_refused(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(dial_target_host(&f->target, "127.0.0.1", p.port), 0);
	assert_int_equal(dial_fixture_dial(f), -ECONNREFUSED);
	ports_done(&p);
}

static void test_f18_localhost_ipv4_only(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(listen(p.v4, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_INET);
	ports_done(&p);
}

static void test_f18_localhost_ipv6_only(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(listen(p.v6, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_INET6);
	ports_done(&p);
}

static void test_localhost_refused_twice(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	assert_int_equal(dial_fixture_dial(f), -ECONNREFUSED);
	ports_done(&p);
}

/* Fills the queue of @listener so that the kernel drops further SYNs. */
static void fill_queue(struct ports *p, int fds[static 2]) {
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(p->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	assert_int_equal(listen(p->v4, 0), 0);
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(fds[i] >= 0);
		(void)connect(fds[i], (struct sockaddr *)&in, sizeof(in));
		usleep(20000);
	}
}

/* What hangs at 127.0.0.1 must not hide ::1. */
static void test_localhost_ipv4_hangs(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	int fds[2];

	fill_queue(&p, fds);
	assert_int_equal(listen(p.v6, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_INET6);
	fd_close(fds[0]);
	fd_close(fds[1]);
	ports_done(&p);
}

/* What a name was resolved to: refused, hanging, refused, and at last one that accepts. */
static void test_the_addresses_of_a_name(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	const struct prober_address addresses[] = {
		{.bytes = {127, 0, 0, 2}},
		{.bytes = {127, 0, 0, 1}},
		{.bytes = {127, 0, 0, 3}},
		{.is_ipv6 = true, .bytes = {[15] = 1}},
	};
	int fds[2];

	fill_queue(&p, fds);
	assert_int_equal(listen(p.v6, 5), 0);
	dial_target_resolved(&f->target, addresses, 4, p.port);
	assert_int_equal(f->target.n_addresses, 4);
	assert_int_equal(peer_family(dial_fixture_dial(f)), AF_INET6);
	fd_close(fds[0]);
	fd_close(fds[1]);
	ports_done(&p);
}

static void test_every_address_of_a_name_refuses(void **state) {
	const struct prober_address addresses[] = {{.bytes = {127, 0, 0, 2}},
						   {.bytes = {127, 0, 0, 1}},
						   {.bytes = {127, 0, 0, 3}}};
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	dial_target_resolved(&f->target, addresses, 3, p.port);
	assert_int_equal(dial_fixture_dial(f), -ECONNREFUSED);
	ports_done(&p);
}

static void test_a_resolved_address_keeps_its_zone(void **state) {
	const struct prober_address address = {.is_ipv6 = true, .zone = 5, .bytes = {0xfe, 0x80}};
	struct dial_target t;

	dial_target_resolved(&t, &address, 1, 8080);
	assert_int_equal(t.n_addresses, 1);
	assert_int_equal(t.addresses[0].in6.sin6_scope_id, 5);
	assert_int_equal(t.addresses[0].in6.sin6_port, htons(8080));
	assert_int_equal(t.addresses[0].in6.sin6_addr.s6_addr[0], 0xfe);
}

static void test_nobody_takes_it(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	int fds[2], fd;

	fill_queue(&p, fds);
	assert_int_equal(dial_target_host(&f->target, "127.0.0.1", p.port), 0);
	assert_int_equal(dial_start(&f->dial, f->loop, &f->target, &fd), 0);
	dial_fixture_run(f, 0.3);
	assert_int_equal(f->n_results, 0);
	assert_int_equal(dial_check(&f->dial, &fd), 0);
	dial_cancel(&f->dial);
	dial_fixture_run(f, 0.05);
	assert_int_equal(f->n_results, 0);
	fd_close(fds[0]);
	fd_close(fds[1]);
	ports_done(&p);
}

/* The loop does not run between connection and deadline: the check sees it nevertheless. */
static void test_check_finds_what_the_loop_did_not_tell(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	int fd = -1, r;

	assert_int_equal(listen(p.v4, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "127.0.0.1", p.port), 0);
	r = dial_start(&f->dial, f->loop, &f->target, &fd);
	if (r == 0) {
		usleep(50000);
		r = dial_check(&f->dial, &fd);
	}
	assert_int_equal(r, DIAL_CONNECTED);
	f->result = fd;
	assert_int_equal(peer_family(fd), AF_INET);
	dial_fixture_run(f, 0.05);
	assert_int_equal(f->n_results, 0);
	ports_done(&p);
}

static void test_check_goes_on_to_the_second_address(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	int fd = -1, r;

	assert_int_equal(listen(p.v6, 5), 0);
	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	r = dial_start(&f->dial, f->loop, &f->target, &fd);
	for (int i = 0; i < 100 && r == 0; i++) {
		usleep(10000);
		r = dial_check(&f->dial, &fd);
	}
	assert_int_equal(r, DIAL_CONNECTED);
	f->result = fd;
	assert_int_equal(peer_family(fd), AF_INET6);
	ports_done(&p);
}

/* A TCP socket can connect to itself where the port is ephemeral and free: that is nobody. */
static void test_connected_to_itself(void **state) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(dial_result(fd), -ECONNREFUSED);
	fd_close(fd);
}

/* Our own shortage keeps its errno, also where the other address only refused. */
static void test_out_of_fds(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();
	struct rlimit limit, none;
	int r, fd, lowest = dup(0);

	assert_true(lowest >= 0);
	fd_close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(dial_target_host(&f->target, "127.0.0.1", p.port), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = dial_start(&f->dial, f->loop, &f->target, &fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(r, -EMFILE);

	/* With room for one: 127.0.0.1 refuses while there is no fd for ::1. */
	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	none.rlim_cur++;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = dial_start(&f->dial, f->loop, &f->target, &fd);
	lowest = dup(0); /* already too many */
	if (r == 0) {
		none.rlim_cur--;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		dial_fixture_run(f, 30);
		r = f->result;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(lowest, -1);
	assert_int_equal(r, -EMFILE);
	ports_done(&p);
}

static void test_cancel_of_nothing(void **state) {
	struct dial zeroed = {0};
	struct dial_fixture *f = *state;
	int fd;

	dial_cancel(&zeroed);
	assert_int_equal(dial_check(&zeroed, &fd), 0);
	dial_cancel(&f->dial);
	dial_cancel(&f->dial);
}

/* One struct serves look after look. */
static void test_again_and_again(void **state) {
	struct dial_fixture *f = *state;
	struct ports p = ports_open();

	assert_int_equal(dial_target_host(&f->target, "localhost", p.port), 0);
	for (int i = 0; i < 20; i++) {
		f->n_results = 0;
		assert_int_equal(dial_fixture_dial(f), -ECONNREFUSED);
	}
	assert_int_equal(listen(p.v6, 64), 0);
	for (int i = 0; i < 20; i++) {
		f->n_results = 0;
		assert_true(dial_fixture_dial(f) >= 0);
		fd_close(f->result);
		f->result = NOT_YET;
	}
	ports_done(&p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_connected_to_itself),
		dial_test(test_ipv4),
		dial_test(test_ipv6),
		dial_test(test_b7_refused),
		dial_test(test_f18_localhost_ipv4_only),
		dial_test(test_f18_localhost_ipv6_only),
		dial_test(test_localhost_refused_twice),
		dial_test(test_localhost_ipv4_hangs),
		dial_test(test_the_addresses_of_a_name),
		dial_test(test_every_address_of_a_name_refuses),
		cmocka_unit_test(test_a_resolved_address_keeps_its_zone),
		dial_test(test_nobody_takes_it),
		dial_test(test_check_finds_what_the_loop_did_not_tell),
		dial_test(test_check_goes_on_to_the_second_address),
		dial_test(test_out_of_fds),
		dial_test(test_cancel_of_nothing),
		dial_test(test_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
