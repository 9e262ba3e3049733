/* SPDX-License-Identifier: MIT */
#include "sys/pidfile.h"

#include "process.h"

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

struct world {
	char folder[64];
	char path[80]; /* of the pidfile */
};

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->folder, "/tmp/sdwd-test-pidfile-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/d.pid", w->folder);
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void put(const struct world *w, const void *data, size_t length) {
	int fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, length), 0);
	close(fd);
}

static struct pidfile_reading read_back(const struct world *w) {
	struct pidfile_reading reading;

	memset(&reading, 0x55, sizeof(reading));
	pidfile_read(w->path, &reading);
	return reading;
}

static struct pidfile_reading reading_of(const struct world *w, const char *text) {
	put(w, text, strlen(text));
	return read_back(w);
}

/* One that was written at @seconds. */
static struct pidfile_reading reading_at(const struct world *w, const char *text, time_t seconds) {
	const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

	put(w, text, strlen(text));
	assert_int_equal(utimensat(AT_FDCWD, w->path, times, 0), 0);
	return read_back(w);
}

/* Content ------------------------------------------------------------------------------------ */

static void test_the_first_line_is_a_decimal_number(void **state) {
	static const struct {
		const char *text;
		pid_t pid;
	} cases[] = {
		{"2", 2},
		{"2\n", 2},
		{"321\n", 321},
		{" \t321 \t\n", 321},
		{"321\r\n", 321},
		{"321 \r\n\n", 321},
		{"0000321\n", 321},
		{"321\n654\n", 321},
		{"321\n/var/lib/pg\n1700000000\n5432\n", 321},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pidfile_reading r = reading_of(*state, cases[i].text);

		assert_int_equal(r.problem, PIDFILE_OK);
		assert_int_equal(r.pid, cases[i].pid);
		assert_false(r.is_world_writable);
	}
}

static void test_anything_else_has_its_problem(void **state) {
	static const struct {
		const char *text;
		enum pidfile_problem problem;
	} cases[] = {
		{"", PIDFILE_EMPTY},
		{"\n", PIDFILE_EMPTY},
		{"  \t\r\n", PIDFILE_EMPTY},
		{"\n321\n", PIDFILE_EMPTY},
		{"daemon\n", PIDFILE_MALFORMED},
		{"321x\n", PIDFILE_MALFORMED},
		{"x321\n", PIDFILE_MALFORMED},
		{"321 654\n", PIDFILE_MALFORMED},
		{"+321\n", PIDFILE_MALFORMED},
		{"-321\n", PIDFILE_MALFORMED},
		{"0x141\n", PIDFILE_MALFORMED},
		{"321.0\n", PIDFILE_MALFORMED},
		{"3\r21\n", PIDFILE_MALFORMED},
		{"\v321\n", PIDFILE_MALFORMED},
		{"\xd9\xa3\n", PIDFILE_MALFORMED},
		{"0\n", PIDFILE_RANGE},
		{"1\n", PIDFILE_RANGE},
		{"4194305\n", PIDFILE_RANGE},
		{"4294967617\n", PIDFILE_RANGE},
		{"18446744073709551937\n", PIDFILE_RANGE},
		{"99999999999999999999999999\n", PIDFILE_RANGE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pidfile_reading r = reading_of(*state, cases[i].text);

		if (r.problem != cases[i].problem)
			fail_msg("'%s': %s", cases[i].text, pidfile_problem_str(r.problem));
		assert_int_equal(r.pid, 0);
	}
}

static void test_a_nul_is_no_part_of_a_number(void **state) {
	put(*state, "321\0\n", 5);
	assert_int_equal(read_back(*state).problem, PIDFILE_MALFORMED);
	put(*state, "\0\n", 2);
	assert_int_equal(read_back(*state).problem, PIDFILE_MALFORMED);
	put(*state, "321\n\0\0", 6);
	assert_int_equal(read_back(*state).problem, PIDFILE_OK);
}

static void test_a_cut_line_shows_no_number(void **state) {
	/* Only "3" of 321 is within what is read. */
	for (size_t blanks = 4090; blanks <= 4100; blanks++) {
		char data[5000];

		memset(data, ' ', sizeof(data));
		memcpy(data + blanks, "321\n", 4);
		put(*state, data, blanks + 4);
		assert_int_equal(read_back(*state).problem,
				 blanks + 4 <= 4096 ? PIDFILE_OK : PIDFILE_MALFORMED);
	}
}

static void test_pid_max_is_the_largest(void **state) {
	uint64_t pid_max = strtoull(file_text("/proc/sys/kernel/pid_max"), NULL, 10);
	struct pidfile_reading r;
	char text[32];

	assert_true(pid_max > 2);
	snprintf(text, sizeof(text), "%" PRIu64 "\n", pid_max);
	r = reading_of(*state, text);
	assert_int_equal(r.problem, PIDFILE_OK);
	assert_int_equal(r.pid, pid_max);
	snprintf(text, sizeof(text), "%" PRIu64 "\n", pid_max + 1);
	assert_int_equal(reading_of(*state, text).problem, PIDFILE_RANGE);
}

static void test_it_is_never_ourselves(void **state) {
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	assert_int_equal(reading_of(*state, text).problem, PIDFILE_RANGE);
	snprintf(text, sizeof(text), "%d\n", (int)getppid());
	assert_int_equal(reading_of(*state, text).problem,
			 getppid() < 2 ? PIDFILE_RANGE : PIDFILE_OK);
}

/* File ---------------------------------------------------------------------------------------- */

static void test_who_may_write_is_told(void **state) {
	static const mode_t modes[] = {0600, 0644, 0664, 0666, 0602, 0777};
	struct world *w = *state;

	put(w, "321\n", 4);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct pidfile_reading r;

		assert_int_equal(chmod(w->path, modes[i]), 0);
		r = read_back(w);
		assert_int_equal(r.problem, PIDFILE_OK);
		assert_int_equal(r.is_world_writable, (modes[i] & 2) != 0);
	}
}

static void test_no_file(void **state) {
	struct world *w = *state;
	struct pidfile_reading r = read_back(w);

	assert_int_equal(r.problem, PIDFILE_MISSING);
	assert_int_equal(r.error, ENOENT);
	pidfile_read("/proc/self/no/such/file", &r);
	assert_int_equal(r.problem, PIDFILE_MISSING);
	put(w, "321\n", 4);
	strcat(w->path, "/x");
	r = read_back(w);
	assert_int_equal(r.problem, PIDFILE_UNREADABLE);
	assert_int_equal(r.error, ENOTDIR);
}

static void test_a_link_is_not_followed(void **state) {
	struct world *w = *state;
	struct pidfile_reading r;
	char target[96];

	put(w, "321\n", 4);
	snprintf(target, sizeof(target), "%s.real", w->path);
	assert_int_equal(rename(w->path, target), 0);
	assert_int_equal(symlink(target, w->path), 0);
	r = read_back(w);
	assert_int_equal(r.problem, PIDFILE_UNREADABLE);
	assert_int_equal(r.error, ELOOP);
	/* A link among the folders is the administrator's: /var/run. */
	snprintf(target, sizeof(target), "%s/self", w->folder);
	assert_int_equal(unlink(w->path), 0);
	put(w, "321\n", 4);
	assert_int_equal(symlink(w->folder, target), 0);
	strcat(target, "/d.pid");
	pidfile_read(target, &r);
	assert_int_equal(r.problem, PIDFILE_OK);
}

static void test_only_regular_files_and_nothing_blocks(void **state) {
	struct world *w = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct pidfile_reading r;
	int fd;

	/* A FIFO without a writer would hold an open(2) without O_NONBLOCK for ever. */
	alarm(60);
	assert_int_equal(mkfifo(w->path, 0644), 0);
	assert_int_equal(read_back(w).problem, PIDFILE_NOT_REGULAR);
	unlink(w->path);
	assert_int_equal(mkdir(w->path, 0755), 0);
	assert_int_equal(read_back(w).problem, PIDFILE_NOT_REGULAR);
	rmdir(w->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	r = read_back(w);
	assert_int_equal(r.problem, PIDFILE_UNREADABLE);
	assert_int_equal(r.error, ENXIO);
	close(fd);
	pidfile_read("/dev/zero", &r);
	assert_int_equal(r.problem, PIDFILE_NOT_REGULAR);
	alarm(0);
}

static void test_reading_leaves_no_fd_open(void **state) {
	size_t before = count_fds();

	reading_of(*state, "321\n");
	reading_of(*state, "x\n");
	reading_of(*state, "");
	unlink(((struct world *)*state)->path);
	read_back(*state);
	assert_int_equal(mkfifo(((struct world *)*state)->path, 0644), 0);
	read_back(*state);
	assert_int_equal(count_fds(), before);
}

static void test_every_problem_has_words_of_its_own(void **state) {
	for (int i = 0; i < PIDFILE_PROBLEM_MAX; i++) {
		assert_true(strlen(pidfile_problem_str((enum pidfile_problem)i)) > 1);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(pidfile_problem_str((enum pidfile_problem)i),
						pidfile_problem_str((enum pidfile_problem)k));
	}
}

/* Watch ---------------------------------------------------------------------------------------- */

static bool is_readable(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* inotify(7) queues the event before the system call that caused it returns. */
static void expect_news(int fd) {
	assert_true(is_readable(fd));
	pidfile_watch_drain(fd);
	assert_false(is_readable(fd));
}

static void test_the_watch_sees_every_way_to_write_a_file(void **state) {
	struct world *w = *state;
	int fd = pidfile_watch(w->path), writer;
	char other[96];

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_false(is_readable(fd));
	pidfile_watch_drain(fd);

	put(w, "321\n", 4);
	expect_news(fd);
	writer = open(w->path, O_WRONLY | O_CLOEXEC);
	assert_false(is_readable(fd));
	assert_int_equal(write(writer, "654\n", 4), 4);
	expect_news(fd);
	close(writer);
	expect_news(fd);
	snprintf(other, sizeof(other), "%s.new", w->path);
	assert_int_equal(rename(w->path, other), 0);
	pidfile_watch_drain(fd);
	assert_int_equal(rename(other, w->path), 0);
	expect_news(fd);
	/* A hard link is made, not written. */
	assert_int_equal(link(w->path, other), 0);
	expect_news(fd);
	fd_close(fd);
}

static void test_reading_is_no_news(void **state) {
	struct world *w = *state;
	int fd;

	put(w, "321\n", 4);
	fd = pidfile_watch(w->path);
	assert_int_equal(read_back(w).problem, PIDFILE_OK);
	assert_false(is_readable(fd));
	fd_close(fd);
}

static void test_a_flood_is_drained_in_turns(void **state) {
	struct world *w = *state;
	int fd = pidfile_watch(w->path);
	size_t turns = 0;

	put(w, "1", 1);
	pidfile_watch_drain(fd);
	/* Different files: equal events in a row would be merged. */
	for (int i = 0; i < 4000; i++) {
		w->path[strlen(w->path) - 1] = "ab"[i % 2];
		put(w, "1", 1);
	}
	for (; is_readable(fd); turns++)
		pidfile_watch_drain(fd);
	assert_true(turns > 1);
	fd_close(fd);
}

static void test_where_nothing_can_be_watched(void **state) {
	struct world *w = *state;
	size_t before = count_fds();
	char path[8192];

	put(w, "321\n", 4);
	snprintf(path, sizeof(path), "%s/missing/d.pid", w->folder);
	assert_int_equal(pidfile_watch(path), -ENOENT);
	snprintf(path, sizeof(path), "%s/d.pid", w->path);
	assert_int_equal(pidfile_watch(path), -ENOTDIR);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[5000] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(pidfile_watch(path), -ENAMETOOLONG);
	assert_int_equal(count_fds(), before);
}

static void test_the_folder_of_a_bare_name_and_of_one_in_the_root(void) {
	char folder[] = "/tmp/sdwd-test-pidfile-XXXXXX";
	int fd;

	CHECK(mkdtemp(folder) && chdir(folder) == 0);
	fd = pidfile_watch("bare");
	CHECK(fd >= 0 && !is_readable(fd));
	write_file("bare", "1\n", 0644);
	CHECK(is_readable(fd));
	close(fd);
	fd = pidfile_watch("/in-the-root");
	CHECK(fd >= 0);
	write_file("bare", "2\n", 0644);
	CHECK(!is_readable(fd));
	CHECK(unlink("bare") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
}

static void test_folders(void **state) {
	isolated(test_the_folder_of_a_bare_name_and_of_one_in_the_root);
}

static void test_what_was_written_again_is_not_the_same(void **state) {
	const struct world *w = *state;
	struct pidfile_reading old = reading_at(w, "321\n", 1000), other;
	char hidden[96];

	other = read_back(w);
	assert_true(pidfile_is_same(&old, &other));
	other = reading_at(w, "321\n", 1001);
	assert_false(pidfile_is_same(&old, &other));
	other = reading_at(w, "322\n", 1000);
	assert_false(pidfile_is_same(&old, &other));

	snprintf(hidden, sizeof(hidden), "%s.old", w->path);
	assert_int_equal(rename(w->path, hidden), 0);
	other = read_back(w);
	assert_false(pidfile_is_same(&old, &other) || pidfile_is_same(&other, &other));
	other = reading_at(w, "321\n", 1000);
	assert_false(pidfile_is_same(&old, &other));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_the_first_line_is_a_decimal_number),
		CASE(test_anything_else_has_its_problem),
		CASE(test_a_nul_is_no_part_of_a_number),
		CASE(test_a_cut_line_shows_no_number),
		CASE(test_pid_max_is_the_largest),
		CASE(test_it_is_never_ourselves),
		CASE(test_who_may_write_is_told),
		CASE(test_no_file),
		CASE(test_a_link_is_not_followed),
		CASE(test_only_regular_files_and_nothing_blocks),
		CASE(test_reading_leaves_no_fd_open),
		CASE(test_what_was_written_again_is_not_the_same),
		cmocka_unit_test(test_every_problem_has_words_of_its_own),
		CASE(test_the_watch_sees_every_way_to_write_a_file),
		CASE(test_reading_is_no_news),
		CASE(test_a_flood_is_drained_in_turns),
		CASE(test_where_nothing_can_be_watched),
		cmocka_unit_test(test_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
