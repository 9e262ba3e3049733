/* SPDX-License-Identifier: MIT */
#include "probe/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

struct world {
	char folder[32], path[64];
	void *settings;
	struct probe_conf conf;
	struct probe *p;
	struct outcome last;
	char reason[512];
};

static bool is_remote;

int __real_statfs(const char *path, struct statfs *ret);
int __wrap_statfs(const char *path, struct statfs *ret);

int __wrap_statfs(const char *path, struct statfs *ret) {
	int r = __real_statfs(path, ret);

	if (is_remote)
		ret->f_type = 0x6969;
	return r;
}

static int check(struct world *w, const char *target) {
	struct text error = TEXT_OVER(w->reason);

	return probe_file.kind->check(target, w->settings, &error);
}

/* sdwd starts, with the file as it is now. */
static void begin(struct world *w) {
	assert_int_equal(probe_file.init(w->p, NULL), 0);
}

static int look(struct world *w) {
	w->last = (struct outcome){0};
	return probe_file.start(w->p, &w->last);
}

static void assert_changed(struct world *w) {
	assert_int_equal(look(w), PROBE_DONE);
	assert_int_equal(w->last.cause, CAUSE_OK);
	assert_int_equal(look(w), PROBE_NOTHING);
}

static void write_file(const char *path, const char *text) {
	cleanup(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void set_time(const char *path, time_t seconds, long nsec) {
	const struct timespec times[2] = {{seconds, nsec}, {seconds, nsec}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->folder, "/tmp/sdwd-test-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/beat", w->folder);
	w->settings = calloc(1, probe_file.kind->settings_size);
	w->p = calloc(1, probe_file.size);
	assert_non_null(w->settings);
	assert_non_null(w->p);
	w->conf = (struct probe_conf){.kind = probe_file.kind, .settings = w->settings};
	*w->p = (struct probe){.class = &probe_file, .conf = &w->conf};
	assert_int_equal(check(w, w->path), 0);
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;

	is_remote = false;
	probe_file.done(w->p);
	probe_file.kind->settings_done(w->settings);
	probe_file.kind->settings_done(w->settings);
	(void)unlink(w->path);
	assert_int_equal(rmdir(w->folder), 0);
	free(w->settings);
	free(w->p);
	free(w);
	return 0;
}

static void test_what_was_there_at_the_start_is_no_change(void **state) {
	struct world *w = *state;

	write_file(w->path, "x");
	begin(w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(w), PROBE_NOTHING);
}

static void test_a_change_before_the_first_look_counts(void **state) {
	struct world *w = *state;

	write_file(w->path, "x");
	begin(w);
	write_file(w->path, "xy");
	assert_changed(w);
}

static void test_a_new_time_is_a_change_wherever_it_points(void **state) {
	struct world *w = *state;
	static const struct timespec times[] = {
		{2000000000, 0},         {1000000000, 0}, {0, 0}, {0, 1},
		{4000000000, 999999999}, {1, 0},          {5, 0},
	};

	write_file(w->path, "x");
	begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		set_time(w->path, times[i].tv_sec, times[i].tv_nsec);
		assert_changed(w);
	}
}

static void test_a_new_size_is_a_change_with_the_same_time(void **state) {
	struct world *w = *state;

	write_file(w->path, "x");
	set_time(w->path, 1000000000, 0);
	begin(w);
	write_file(w->path, "xy");
	set_time(w->path, 1000000000, 0);
	assert_changed(w);
}

static void test_another_file_in_its_place_is_a_change(void **state) {
	struct world *w = *state;
	char other[80];

	snprintf(other, sizeof(other), "%s.new", w->path);
	write_file(w->path, "x");
	write_file(other, "x");
	set_time(w->path, 1000000000, 0);
	set_time(other, 1000000000, 0);
	begin(w);
	assert_int_equal(rename(other, w->path), 0);
	assert_changed(w);
}

static void test_reading_or_touching_the_mode_is_none(void **state) {
	struct world *w = *state;
	struct timespec times[2] = {{5, 0}, {0, UTIME_OMIT}};

	write_file(w->path, "x");
	begin(w);
	assert_int_equal(chmod(w->path, 0640), 0);
	assert_int_equal(utimensat(AT_FDCWD, w->path, times, 0), 0);
	assert_int_equal(look(w), PROBE_NOTHING);
}

static void test_a_missing_file_is_neither_good_nor_bad_and_its_return_is_a_change(void **state) {
	struct world *w = *state;
	char other[80];

	begin(w);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look(w), PROBE_DONE);
		assert_int_equal(w->last.cause, CAUSE_MISSING);
		assert_int_equal(w->last.verdict, VERDICT_UNKNOWN);
		assert_non_null(strstr(w->last.text, w->path));
	}
	write_file(w->path, "x");
	assert_changed(w);
	/* The same file again, as it was. */
	snprintf(other, sizeof(other), "%s.away", w->path);
	assert_int_equal(rename(w->path, other), 0);
	assert_int_equal(look(w), PROBE_DONE);
	assert_int_equal(w->last.cause, CAUSE_MISSING);
	assert_int_equal(rename(other, w->path), 0);
	assert_changed(w);
}

static void test_what_cannot_be_looked_at_is_unknown(void **state) {
	struct world *w = *state;
	char target[80];

	/* A link to itself: an error for root, too. */
	snprintf(target, sizeof(target), "%s/beat", w->folder);
	assert_int_equal(symlink(target, w->path), 0);
	begin(w);
	assert_int_equal(look(w), PROBE_DONE);
	assert_int_equal(w->last.cause, CAUSE_SELF);
	assert_non_null(strstr(w->last.text, strerror(ELOOP)));
	assert_int_equal(unlink(w->path), 0);
	write_file(w->path, "x");
	assert_changed(w);
}

static void test_a_relative_path_is_that_of_the_start(void **state) {
	struct world *w = *state;
	cleanup(fd_closep) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	probe_file.kind->settings_done(w->settings);
	assert_int_equal(chdir(w->folder), 0);
	assert_int_equal(check(w, "beat"), 0);
	assert_int_equal(chdir("/"), 0);
	begin(w);
	write_file(w->path, "x");
	assert_changed(w);
	assert_int_equal(fchdir(here), 0);
}

static void test_paths_that_are_none(void **state) {
	struct world *w = *state;
	char *longest = malloc(9000);

	assert_non_null(longest);
	probe_file.kind->settings_done(w->settings);
	assert_int_equal(check(w, ""), -EINVAL);
	assert_string_equal(w->reason, "'' is not a file's path");
	assert_int_equal(check(w, "/run/"), -EINVAL);
	assert_string_equal(w->reason, "'/run/' is not a file's path");
	memset(longest, 'x', 8999);
	longest[0] = '/';
	longest[8999] = '\0';
	assert_int_equal(check(w, longest), -ENAMETOOLONG);
	free(longest);
}

static void test_a_remote_file_system_is_the_probers(void **state) {
	struct world *w = *state;

	assert_null(conf_needs_prober(&w->conf));
	probe_file.kind->settings_done(w->settings);
	is_remote = true;
	assert_int_equal(check(w, w->path), 0);
	assert_string_equal(conf_needs_prober(&w->conf), "NFS");
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_what_was_there_at_the_start_is_no_change),
		CASE(test_a_change_before_the_first_look_counts),
		CASE(test_a_new_time_is_a_change_wherever_it_points),
		CASE(test_a_new_size_is_a_change_with_the_same_time),
		CASE(test_another_file_in_its_place_is_a_change),
		CASE(test_reading_or_touching_the_mode_is_none),
		CASE(test_a_missing_file_is_neither_good_nor_bad_and_its_return_is_a_change),
		CASE(test_what_cannot_be_looked_at_is_unknown),
		CASE(test_a_relative_path_is_that_of_the_start),
		CASE(test_paths_that_are_none),
		CASE(test_a_remote_file_system_is_the_probers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
