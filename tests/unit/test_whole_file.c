/* SPDX-License-Identifier: MIT */
#include "base/whole_file.h"

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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/usec.h"

#define LIMIT ((size_t)100000)
/* So long only what never comes is waited for. */
#define SHORT (200 * USEC_PER_MSEC)
#define LONG (20 * USEC_PER_SEC)

static char folder[] = "/tmp/test-whole-file-XXXXXX";
static char path[64];
static char reason[256];

static int make_folder(void **state) {
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x", folder);
	return 0;
}

static int remove_folder(void **state) {
	return rmdir(folder);
}

static int remove_file(void **state) {
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

static void write_file(const char *data, size_t length) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), (ssize_t)length);
	close(fd);
}

static int lowest_free_fd(void) {
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static int read_path(const char *which, usec_t patience_usec, char **ret_data, size_t *ret_length) {
	struct text error = TEXT_OVER(reason);
	int before = lowest_free_fd(), r;

	r = whole_file_read(which, LIMIT, patience_usec, ret_data, ret_length, &error);
	assert_int_equal(lowest_free_fd(), before);
	return r;
}

static void assert_refused(const char *which, usec_t patience_usec, int code, const char *why) {
	char *data = NULL;
	size_t length = 77;

	assert_int_equal(read_path(which, patience_usec, &data, &length), code);
	assert_string_equal(reason, why);
	assert_null(data);
	assert_int_equal(length, 77);
}

static void assert_read(const char *which, const char *data, size_t length) {
	size_t got_length;
	char *got;

	assert_int_equal(read_path(which, LONG, &got, &got_length), 0);
	assert_int_equal(got_length, length);
	assert_memory_equal(got, data, length);
	assert_int_equal(got[length], '\0');
	free(got);
}

static void files_of_every_size(void **state) {
	static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 50000, LIMIT};
	char *data = malloc(LIMIT + 1);

	for (size_t i = 0; i <= LIMIT; i++)
		data[i] = (char)(i * 7 / 3);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		write_file(data, sizes[i]);
		assert_read(path, data, sizes[i]);
	}
	write_file(data, LIMIT + 1);
	assert_refused(path, LONG, -EFBIG, "is larger than 100000 bytes");
	free(data);
}

static void what_is_no_file(void **state) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[32];

	assert_refused(path, LONG, -ENOENT, "No such file or directory");
	assert_refused("", LONG, -ENOENT, "No such file or directory");
	assert_refused(folder, LONG, -EISDIR, "Is a directory");
	assert_refused("/dev/zero", LONG, -ENOTSUP, "is neither a file nor a pipe");
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused(path, LONG, -ENOTSUP, "is neither a file nor a pipe");
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	assert_refused(name, LONG, -ENOTSUP, "is neither a file nor a pipe");
	close(fd);
}

#define TOO_LATE "the pipe did not come to its end within 200ms"

static void nobody_waits_for_a_pipe_for_ever(void **state) {
	usec_t began_at = usec_now();
	char name[32];
	int fds[2];

	/* Nobody has it open for writing: open(2) would block, read(2) would say that it is over.
	 */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(path, SHORT, -ETIMEDOUT, TOO_LATE);
	assert_true(usec_now() - began_at >= SHORT);

	/* Something came, but not the end. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "label", 5), 5);
	snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
	assert_refused(name, SHORT, -ETIMEDOUT, TOO_LATE);
	close(fds[1]);

	/* Its flags are those of our own opening, not of the one that others have too. */
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
}

/* Writes @n bytes in several pieces to what @name says, which it opens itself. */
static pid_t write_slowly(const char *name, size_t n) {
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(name, O_WRONLY);

		for (size_t i = 0; i < n; i++) {
			if (write(fd, "y", 1) != 1)
				_exit(1);
			if (i % 1000 == 0)
				usleep(1000);
		}
		_exit(0);
	}
	return pid;
}

static void a_pipe_is_read_to_its_end(void **state) {
	static char data[10000];
	char name[32];
	int fds[2], status;
	pid_t pid;

	memset(data, 'y', sizeof(data));
	/* A FIFO whose writer comes later. */
	assert_int_equal(mkfifo(path, 0600), 0);
	pid = write_slowly(path, sizeof(data));
	assert_read(path, data, sizeof(data));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	/* A shell's <(...): the writer may be gone already. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], data, 5000), 5000);
	close(fds[1]);
	snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
	assert_read(name, data, 5000);
	assert_read(name, data, 0);
	close(fds[0]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(files_of_every_size, remove_file),
		cmocka_unit_test_teardown(what_is_no_file, remove_file),
		cmocka_unit_test_teardown(nobody_waits_for_a_pipe_for_ever, remove_file),
		cmocka_unit_test_teardown(a_pipe_is_read_to_its_end, remove_file),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
