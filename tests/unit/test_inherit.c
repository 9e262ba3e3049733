/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sys/resource.h>

#include "sys/inherit.h"

static bool is_null(int fd) {
	char link[64], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, "/dev/null") == 0;
}

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static void open_at(int fd, bool cloexec) {
	int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 200);

	CHECK(low >= 0 && high >= 200);
	close(low);
	CHECK(dup3(high, fd, cloexec ? O_CLOEXEC : 0) == fd);
	close(high);
}

static void nothing_open(void) {
	struct inherit i;
	size_t before = count_fds();

	CHECK(inherit_init(&i) == 0);
	CHECK(i.closed_standard == 0);
	CHECK(inherit_has(0) && inherit_has(2) && !inherit_has(3));
	CHECK(!inherit_has(-1));
	CHECK(count_fds() == before);
	inherit_close(true);
	CHECK(count_fds() == before);
}

static void test_without_any(void **state) {
	isolated(nothing_open);
}

static void some_open(void) {
	bool was_null = is_null(2);

	open_at(90, false);
	open_at(3, false);
	open_at(40, true);
	for (int fd = 50; fd < 80; fd++)
		open_at(fd, false);
	CHECK(inherit_has(3) && inherit_has(66) && inherit_has(90));
	CHECK(!inherit_has(40) && !inherit_has(4));

	open_at(4, true);
	inherit_close(true);
	CHECK(!is_open(3) && !is_open(50) && !is_open(66) && !is_open(79) && !is_open(90));
	/* What is ours stays. */
	CHECK(is_open(40) && is_open(4));
	CHECK(is_null(0) && is_null(1) && is_null(2) == was_null);
	CHECK(!inherit_has(3) && inherit_has(1));
	inherit_close(false);
	CHECK(is_open(4) && is_null(2));
}

static void test_knows_and_closes(void **state) {
	isolated(some_open);
}

static void standard_closed(void) {
	struct inherit i;
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);

	close(0);
	close(2);
	CHECK(inherit_init(&i) == 0);
	CHECK(i.closed_standard == (1U << 0 | 1U << 2));
	CHECK(is_null(0) && is_null(2));
	dup2(saved, STDERR_FILENO);
}

static void test_fills_closed_standard(void **state) {
	isolated(standard_closed);
}

/* No number is free for the folder: the same as without /proc. */
static void no_folder(void) {
	struct rlimit limit = {.rlim_cur = 12, .rlim_max = 12};

	for (int fd = 3; fd < 12; fd++)
		open_at(fd, fd == 5);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(open("/dev/null", O_RDONLY) < 0 && errno == EMFILE);
	inherit_close(true);
	CHECK(!is_open(3) && !is_open(4) && is_open(5) && !is_open(6) && !is_open(11));
	CHECK(is_null(0));
}

static void test_scans_where_proc_cannot_be_read(void **state) {
	isolated(no_folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_any),
		cmocka_unit_test(test_knows_and_closes),
		cmocka_unit_test(test_fills_closed_standard),
		cmocka_unit_test(test_scans_where_proc_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
