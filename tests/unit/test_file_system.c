/* SPDX-License-Identifier: MIT */
/* statfs() is wrapped: no machine has all file systems. */
#include "sys/file_system.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

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

static void test_a_link_to_what_is_missing_is_where_that_would_be(void **state) {
	char folder[] = "/tmp/sdwd-test-XXXXXX", link[64], far[64];

	assert_non_null(mkdtemp(folder));
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(far, sizeof(far), "%s/link/x", folder);
	assert_int_equal(symlink("/mnt/x/beat", link), 0);
	assert_string_equal(seen(link, "/mnt/x", ENOENT, 0x6969), "NFS");
	assert_string_equal(seen(far, "/mnt/x", ENOENT, 0x6969), "NFS");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("remote/beat", link), 0);
	snprintf(far, sizeof(far), "%s/remote", folder);
	assert_string_equal(seen(link, far, ENOENT, 0x65735546), "FUSE");
	/* One that leads to itself. */
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("link", link), 0);
	assert_null(seen(link, folder, ENOENT, 0xef53));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* A file server that is not well, or lets root in only later, is one all the same. */
static void test_what_cannot_be_looked_at_is_where_its_folder_is(void **state) {
	assert_string_equal(seen("/mnt/x/y/z", "/mnt/x", EACCES, 0x6969), "NFS");
	assert_string_equal(seen("/mnt/x/y/z", "/mnt/x", EIO, 0x6969), "NFS");
	assert_string_equal(seen("/mnt/x/y/z", "/mnt/x", ESTALE, 0x65735546), "FUSE");
	assert_null(seen("/mnt/x/y/z", "/mnt/x", EACCES, 0xef53));
	assert_null(seen("/mnt/x/y/z", "/mnt/x", ELOOP, 0xef53));
	assert_null(seen("/mnt/x/y/z", "/mnt/x", ENAMETOOLONG, 0xef53));
	/* The whole of it, and the folder that it is mounted at is local. */
	assert_string_equal(seen("/mnt/x/y", "/mnt", EIO, 0xef53), "a file system that fails");
	assert_string_equal(seen("/mnt/x", "/", ESTALE, 0xef53), "a file system that fails");
}

static void test_where_nothing_can_be_looked_at_nothing_is_named(void **state) {
	char path[8192];

	assert_null(seen("/a/b/c", NULL, EACCES, 0x6969));
	assert_int_equal(fake.n_calls, 4);
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
		cmocka_unit_test(test_a_link_to_what_is_missing_is_where_that_would_be),
		cmocka_unit_test(test_what_cannot_be_looked_at_is_where_its_folder_is),
		cmocka_unit_test(test_where_nothing_can_be_looked_at_nothing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
