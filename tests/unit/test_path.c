/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_absolute(const char *path, const char *expected) {
	char *absolute = NULL;

	assert_int_equal(path_absolute(path, &absolute), 0);
	assert_string_equal(absolute, expected);
	free(absolute);
}

static int come_back(void **state) {
	int fd = (int)(intptr_t)*state;

	if (fchdir(fd) < 0)
		return -1;
	return close(fd);
}

static int remember(void **state) {
	*state = (void *)(intptr_t)open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static void test_an_absolute_path_stays(void **state) {
	assert_absolute("/", "/");
	assert_absolute("/run/../x//y", "/run/../x//y");
}

static void test_a_relative_path_starts_at_the_working_folder(void **state) {
	char folder[] = "/tmp/sdwd-test-XXXXXX", expected[64];

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	snprintf(expected, sizeof(expected), "%s/x", folder);
	assert_absolute("x", expected);
	snprintf(expected, sizeof(expected), "%s/./a/../b", folder);
	assert_absolute("./a/../b", expected);
	assert_int_equal(chdir("/"), 0);
	assert_absolute("x/y", "/x/y");
	assert_int_equal(rmdir(folder), 0);
}

static void test_without_a_working_folder_it_is_an_error(void **state) {
	char folder[] = "/tmp/sdwd-test-XXXXXX", *absolute = NULL;

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(path_absolute("x", &absolute), -ENOENT);
	assert_null(absolute);
	assert_absolute("/x", "/x");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_absolute_path_stays),
		cmocka_unit_test_setup_teardown(test_a_relative_path_starts_at_the_working_folder,
						remember, come_back),
		cmocka_unit_test_setup_teardown(test_without_a_working_folder_it_is_an_error,
						remember, come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
