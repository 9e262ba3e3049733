/* SPDX-License-Identifier: MIT */
/* statfs() is wrapped: no machine has all file systems. */
#include "sys/file_system.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/vfs.h>

#include <cmocka.h>

#include "base/defs.h"

static struct {
	const char *deepest; /* what exists of the path; NULL: nothing can be looked at */
	int error;           /* where more is asked for */
	int64_t type;
	unsigned n_calls;
} fake;

int __wrap_statfs(const char *path, struct statfs *ret);

int __wrap_statfs(const char *path, struct statfs *ret) {
	fake.n_calls++;
	assert_true(fake.n_calls < 100);
	if (!fake.deepest || strncmp(path, fake.deepest, strlen(path)) != 0) {
		errno = fake.error;
		return -1;
	}
	*ret = (struct statfs){.f_type = (typeof(ret->f_type))fake.type};
	return 0;
}

static const char *seen(const char *path, const char *deepest, int error, int64_t type) {
	fake.deepest = deepest;
	fake.error = error;
	fake.type = type;
	fake.n_calls = 0;
	return file_system_that_waits(path);
}

static void test_what_may_wait_is_named(void **state) {
	static const struct {
		int64_t type;
		const char *name;
	} cases[] = {
		{0x6969, "NFS"},      {0xff534d42, "CIFS"},         {(int32_t)0xff534d42, "CIFS"},
		{0x65735546, "FUSE"}, {(int32_t)0xfe534d42, "SMB"}, {0x187, "autofs"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(seen("/a/b", "/a/b", 0, cases[i].type), cases[i].name);
}

static void test_what_does_not_wait_has_no_name(void **state) {
	static const int64_t types[] = {0xef53, 0x01021994, 0x9123683e, 0x794c7630, 0, -1};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_null(seen("/a/b", "/a/b", 0, types[i]));
}

static void test_a_missing_file_is_where_its_folder_is(void **state) {
	assert_string_equal(seen("/mnt/x/y/z", "/mnt/x", ENOENT, 0x6969), "NFS");
	assert_int_equal(fake.n_calls, 3);
	assert_string_equal(seen("/x", "/", ENOTDIR, 0x6969), "NFS");
	assert_null(seen("/mnt/x/y/z", "/mnt/x", ENOENT, 0xef53));
}

static void test_what_cannot_be_looked_at_is_not_named(void **state) {
	char path[8192];

	assert_null(seen("/a/b/c", NULL, EACCES, 0x6969));
	assert_int_equal(fake.n_calls, 1);
	assert_null(seen("/a/b/c", NULL, ENOENT, 0x6969));
	assert_int_equal(fake.n_calls, 4);
	assert_null(seen("a", NULL, ENOENT, 0x6969));
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_null(seen(path, NULL, ENOENT, 0x6969));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_wait_is_named),
		cmocka_unit_test(test_what_does_not_wait_has_no_name),
		cmocka_unit_test(test_a_missing_file_is_where_its_folder_is),
		cmocka_unit_test(test_what_cannot_be_looked_at_is_not_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
