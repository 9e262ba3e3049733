/* SPDX-License-Identifier: MIT */
#include "sys/control_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/* What the next calls of renameat2(2) do: fail with these errnos (0: go on), and before the first
 * exchange, what another instance does. */
static int errors[4];
static size_t n_renames;
static void (*meanwhile)(const char *new);

int __real_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags);
int __wrap_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags);

int __wrap_renameat2(int old_fd, const char *old, int new_fd, const char *new, unsigned flags) {
	int error = n_renames < ARRAY_SIZE(errors) ? errors[n_renames] : 0;

	n_renames++;
	if (error > 0) {
		errno = error;
		return -1;
	}
	if (flags == RENAME_EXCHANGE && meanwhile) {
		void (*now)(const char *) = meanwhile;

		meanwhile = NULL;
		now(new);
	}
	return __real_renameat2(old_fd, old, new_fd, new, flags);
}

static size_t n_chmods;

int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);

int __wrap_chmod(const char *path, mode_t mode) {
	n_chmods++;
	return __real_chmod(path, mode);
}

static char folder[64], reason[512];
static struct text error;

static int setup(void **state) {
	memset(errors, 0, sizeof(errors));
	n_renames = 0;
	meanwhile = NULL;
	error = TEXT_OVER(reason);
	strcpy(folder, "/tmp/sdwd-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

/* Each test leaves it empty. */
static int teardown(void **state) {
	return rmdir(folder);
}

static const char *path_of(const char *name) {
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static const char *with_pid(const char *name) {
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s.%d", folder, name, getpid());
	return path;
}

/* A listening (or not) socket at @path; returns its fd. */
static int listen_at(const char *path, bool listens) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_in_range(snprintf(address.sun_path, sizeof(address.sun_path), "%s", path), 1,
			sizeof(address.sun_path) - 1);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	if (listens)
		assert_return_code(listen(fd, 1), errno);
	return fd;
}

static int connect_to(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_in_range(snprintf(address.sun_path, sizeof(address.sun_path), "%s", path), 1,
			sizeof(address.sun_path) - 1);
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static void open_as(struct control_sock *c, const char *label) {
	assert_int_equal(control_sock_open_in(c, folder, 0700, label, &error), 0);
	assert_string_equal(reason, "");
}

static void test_who_comes_is_known(void **state) {
	struct control_peer peer;
	struct control_sock c;
	int client, fd;

	open_as(&c, "web");
	assert_string_equal(c.path, path_of("web"));
	assert_true(fcntl(c.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(control_sock_accept(&c, &peer), -EAGAIN);
	client = connect_to(c.path);
	fd = control_sock_accept(&c, &peer);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	fd_close(fd);
	fd_close(client);
	control_sock_close(&c);
	control_sock_close(&c);
}

static void test_zeroed_it_closes_nothing(void **state) {
	struct control_sock c = {0};

	control_sock_close(&c);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

static void test_what_died_in_the_middle_is_replaced(void **state) {
	char hidden[160];
	struct control_sock c;

	snprintf(hidden, sizeof(hidden), "%s/.web.%d", folder, getpid());
	fd_close(listen_at(hidden, true));
	open_as(&c, "web");
	assert_string_equal(c.path, path_of("web"));
	control_sock_close(&c);
}

static void test_a_stale_one_is_replaced_and_a_live_one_is_not(void **state) {
	struct control_sock a, b;

	fd_close(listen_at(path_of("web"), true));
	open_as(&a, "web");
	assert_string_equal(a.path, path_of("web"));
	open_as(&b, "web");
	assert_string_equal(b.path, with_pid("web"));
	control_sock_close(&a);
	control_sock_close(&b);
}

/* Another instance took the name of the stale one between our look and our exchange. */
static int other_fd = -1;

static void other_instance(const char *new) {
	unlink(new);
	other_fd = listen_at(new, true);
}

static void test_of_two_that_replace_a_stale_one_the_first_has_it(void **state) {
	struct control_sock c;

	fd_close(listen_at(path_of("web"), true));
	meanwhile = other_instance;
	open_as(&c, "web");
	assert_string_equal(c.path, with_pid("web"));
	fd_close(connect_to(path_of("web")));
	control_sock_close(&c);
	fd_close(other_fd);
	unlink(path_of("web"));
}

static void test_without_flags_of_rename_a_free_name_is_taken(void **state) {
	struct control_sock c;

	errors[0] = EINVAL;
	open_as(&c, "web");
	assert_string_equal(c.path, path_of("web"));
	fd_close(connect_to(c.path));
	control_sock_close(&c);
}

static void test_what_may_not_be_replaced_gets_a_neighbour(void **state) {
	struct control_sock c;

	fd_close(listen_at(path_of("web"), true));
	errors[1] = EPERM;
	open_as(&c, "web");
	assert_string_equal(c.path, with_pid("web"));
	control_sock_close(&c);
	unlink(path_of("web"));
}

static void test_where_both_names_are_taken_it_fails_and_leaves_nothing(void **state) {
	struct control_sock c;
	int a = listen_at(path_of("web"), true), b = listen_at(with_pid("web"), true);

	assert_int_equal(control_sock_open_in(&c, folder, 0700, "web", &error), -EEXIST);
	assert_non_null(strstr(reason, "File exists"));
	control_sock_close(&c);
	fd_close(a);
	fd_close(b);
	unlink(path_of("web"));
	unlink(with_pid("web"));
}

static void test_names(void **state) {
	static const struct {
		const char *label, *name;
	} cases[] = {
		{"a-b_c.d:e@f", "a-b_c.d:e@f"},
		{".hidden", "_hidden"},
		{"a/b c", "a_b_c"},
		{"\xc3\xa4", "__"},
		{"..", "_."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control_sock c;

		open_as(&c, cases[i].label);
		assert_string_equal(c.path, path_of(cases[i].name));
		control_sock_close(&c);
	}
}

static void test_no_name_and_no_room(void **state) {
	char deep[160];
	struct control_sock c;

	assert_int_equal(control_sock_open_in(&c, folder, 0700, "", &error), -EINVAL);
	snprintf(deep, sizeof(deep), "%s/%0*d", folder, 90 - (int)strlen(folder), 0);
	assert_int_equal(control_sock_open_in(&c, deep, 0700, "label", &error), 0);
	assert_int_equal(strlen(c.path), strlen(deep) + strlen("/label"));
	control_sock_close(&c);
	rmdir(deep);
	snprintf(deep, sizeof(deep), "%s/%0*d", folder, 96 - (int)strlen(folder), 0);
	assert_int_equal(control_sock_open_in(&c, deep, 0700, "label", &error), -ENAMETOOLONG);
	rmdir(deep);
}

/* Whoever may rename what stands there could put a link where the socket was. */
static void test_a_folder_that_others_may_change_is_refused(void **state) {
	struct control_sock c;

	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(control_sock_open_in(&c, folder, 0700, "web", &error), -EPERM);
	assert_non_null(strstr(reason, "other users may change what is in it"));
	assert_int_equal(chmod(folder, 01777), 0);
	error = TEXT_OVER(reason);
	reason[0] = '\0';
	open_as(&c, "web");
	control_sock_close(&c);
	/* Only root can give it away. */
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(folder, 65534, 65534), 0);
	assert_int_equal(control_sock_open_in(&c, folder, 0700, "web", &error), -EPERM);
}

/* One that pulls the folder from under us gets no file's mode changed: there is no chmod(2). */
static void test_modes_come_with_the_socket_whatever_the_umask(void **state) {
	char deep[128];
	struct control_sock c;
	struct stat st;
	mode_t before = umask(0777);
	int r;

	snprintf(deep, sizeof(deep), "%s/deep", folder);
	n_chmods = 0;
	r = control_sock_open_in(&c, deep, 01777, "web", &error);
	assert_int_equal(umask(before), 0777);
	assert_int_equal(r, 0);
	assert_int_equal(n_chmods, 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(stat(c.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	control_sock_close(&c);
	rmdir(deep);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_who_comes_is_known),
		IN_FOLDER(test_zeroed_it_closes_nothing),
		IN_FOLDER(test_what_died_in_the_middle_is_replaced),
		IN_FOLDER(test_a_stale_one_is_replaced_and_a_live_one_is_not),
		IN_FOLDER(test_of_two_that_replace_a_stale_one_the_first_has_it),
		IN_FOLDER(test_without_flags_of_rename_a_free_name_is_taken),
		IN_FOLDER(test_what_may_not_be_replaced_gets_a_neighbour),
		IN_FOLDER(test_where_both_names_are_taken_it_fails_and_leaves_nothing),
		IN_FOLDER(test_names),
		IN_FOLDER(test_no_name_and_no_room),
		IN_FOLDER(test_a_folder_that_others_may_change_is_refused),
		IN_FOLDER(test_modes_come_with_the_socket_whatever_the_umask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
