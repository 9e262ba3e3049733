/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "open_fds.h"
#include "sys/journal.h"

/* cmocka itself writes to stderr: each test puts its own there and the old one back. */
struct world {
	char folder[40];
	char path[64]; /* of journald's socket */
	int journald;
	int old_stderr;
	struct journal j;
	size_t n_fds_before;
};

static void journald_start(struct world *w) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, w->path);
	w->journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w->journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	unsetenv("JOURNAL_STREAM");
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	w->n_fds_before = count_fds();
	w->old_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	strcpy(w->folder, "/tmp/sdwd-test-journal-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/socket", w->folder);
	journald_start(w);
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;

	journal_close(&w->j);
	journal_close(&w->j);
	assert_int_equal(dup2(w->old_stderr, STDERR_FILENO), STDERR_FILENO);
	fd_close(w->old_stderr);
	fd_close(w->journald);
	unlink(w->path);
	rmdir(w->folder);
	assert_int_equal(count_fds(), w->n_fds_before);
	free(w);
	return 0;
}

static void be_stderr(int fd) {
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

static void say(struct world *w, enum log_level level, const char *message) {
	struct log_entry entry = {.level = level, .message = message};

	errno = 4711;
	journal_sink(&w->j, &entry);
	assert_int_equal(errno, 4711);
}

/* What is in @fd now, a text. */
static const char *read_now(int fd) {
	static char data[64 * 1024];
	ssize_t n;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	n = read(fd, data, sizeof(data) - 1);
	data[n < 0 ? 0 : n] = '\0';
	return data;
}

static void assert_reads(int fd, const char *wanted) {
	assert_string_equal(read_now(fd), wanted);
}

/* ---- the native protocol ---- */

static void assert_datagram(struct world *w, const char *wanted, size_t length) {
	char data[JOURNAL_ENTRY_MAX + 1];
	ssize_t n = recv(w->journald, data, sizeof(data), MSG_DONTWAIT);

	if (n != (ssize_t)length)
		fail_msg("%zd bytes, not %zu: %.*s", n, length, (int)(n < 0 ? 0 : n), data);
	assert_memory_equal(data, wanted, length);
}

static void test_native_fields(void **state) {
	static const char wanted[] = "PRIORITY=4\nSYSLOG_IDENTIFIER=sdwd\nMESSAGE=it hangs\n"
				     "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
				     "SDWD_LABEL=my.service\nSDWD_PROBE=http\nSDWD_TEXT\n"
				     "\x05\0\0\0\0\0\0\0a\nb=c\nSDWD_CAUSE=\n";
	static const struct log_field fields[] = {{"SDWD_PROBE", "http"},
						  {"SDWD_TEXT", "a\nb=c"},
						  {"SDWD_NONE", NULL},
						  {"SDWD_CAUSE", ""}};
	const struct log_entry entry = {
		.level = LOG_LEVEL_WARNING,
		.message_id = "0123456789abcdef0123456789abcdef",
		.message = "it hangs",
		.fields = fields,
		.n_fields = ARRAY_SIZE(fields),
	};
	struct world *w = *state;

	assert_int_equal(journal_open_at(&w->j, w->path, true, false), 0);
	assert_true(w->j.is_native);
	assert_true(fcntl(w->j.fd, F_GETFD) & FD_CLOEXEC);
	w->j.label = "my.service";
	journal_sink(&w->j, &entry);
	assert_datagram(w, wanted, sizeof(wanted) - 1);
}

static void test_native_leaves_out_what_does_not_fit(void **state) {
	static char large[JOURNAL_ENTRY_MAX];
	static const char wanted[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=sdwd\nMESSAGE=m\nSDWD_B=b\n";
	const struct log_field fields[] = {{"SDWD_A", large}, {"SDWD_B", "b"}};
	const struct log_entry entry = {.level = LOG_LEVEL_INFO,
					.message = "m",
					.fields = fields,
					.n_fields = 2};
	struct world *w = *state;

	assert_int_equal(journal_open_at(&w->j, w->path, true, false), 0);
	memset(large, 'x', sizeof(large) - 1);
	journal_sink(&w->j, &entry);
	assert_datagram(w, wanted, sizeof(wanted) - 1);
	/* Every length around the limit: never a byte past the buffer. */
	for (size_t n = sizeof(large) - 200; n < sizeof(large); n++) {
		memset(large, 'x', n);
		large[n] = '\0';
		large[0] = '\n';
		journal_sink(&w->j, &entry);
		assert_true(recv(w->journald, large, 0, MSG_DONTWAIT | MSG_TRUNC) > 0);
	}
	assert_int_equal(w->j.n_lost, 0);
}

static void test_native_is_chosen_by_journal_stream(void **state) {
	struct world *w = *state;
	struct stat st;
	char stream[64];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	be_stderr(fds[1]);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);

	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_int_equal(journal_open_at(&w->j, w->path, false, false), 0);
	assert_true(w->j.is_native);
	journal_close(&w->j);
	/* Text where that is wanted, and where journald is away. */
	assert_int_equal(journal_open_at(&w->j, w->path, false, true), 0);
	assert_false(w->j.is_native);
	journal_close(&w->j);
	assert_int_equal(journal_open_at(&w->j, "/nowhere", false, false), 0);
	assert_false(w->j.is_native);
	journal_close(&w->j);

	/* The variable of another stream says nothing about ours. */
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_int_equal(journal_open_at(&w->j, w->path, false, false), 0);
	assert_false(w->j.is_native);
	journal_close(&w->j);
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_int_equal(journal_open_at(&w->j, w->path, false, false), 0);
	assert_false(w->j.is_native);
	close(fds[0]);
}

static void test_forced_and_no_journald(void **state) {
	struct world *w = *state;

	assert_int_equal(journal_open_at(&w->j, "/nowhere", true, false), -ENOENT);
	say(w, LOG_LEVEL_INFO, "nothing happens");
	w->journald = fd_close(w->journald);
	assert_int_equal(journal_open_at(&w->j, w->path, true, false), -ECONNREFUSED);
}

static void test_native_counts_and_tells_what_was_lost(void **state) {
	struct world *w = *state;
	unsigned n = 0;
	char data[512];

	assert_int_equal(journal_open_at(&w->j, w->path, true, false), 0);
	for (; w->j.n_lost == 0 && n < 100000; n++)
		say(w, LOG_LEVEL_INFO, "fill");
	assert_int_equal(w->j.n_lost, 1);
	say(w, LOG_LEVEL_INFO, "lost");
	assert_int_equal(w->j.n_lost, 2);
	for (unsigned i = 0; i + 1 < n; i++)
		assert_true(recv(w->journald, data, sizeof(data), 0) > 0);

	say(w, LOG_LEVEL_INFO, "next");
	assert_int_equal(w->j.n_lost, 0);
	memset(data, 0, sizeof(data));
	assert_true(recv(w->journald, data, sizeof(data) - 1, 0) > 0);
	assert_non_null(strstr(data, "PRIORITY=4\n"));
	assert_non_null(strstr(data, "MESSAGE=2 log lines were lost because of: Resource"));
	assert_non_null(strstr(data, "SDWD_LOST=2\n"));
	memset(data, 0, sizeof(data));
	assert_true(recv(w->journald, data, sizeof(data) - 1, 0) > 0);
	assert_non_null(strstr(data, "MESSAGE=next\n"));
}

static void test_native_survives_a_restart_of_journald(void **state) {
	struct world *w = *state;
	char data[512] = "";

	assert_int_equal(journal_open_at(&w->j, w->path, true, false), 0);
	w->journald = fd_close(w->journald);
	say(w, LOG_LEVEL_INFO, "lost");
	assert_int_equal(w->j.n_lost, 1);
	unlink(w->path);
	journald_start(w);
	/* The last chance to tell is the end. */
	journal_close(&w->j);
	assert_true(recv(w->journald, data, sizeof(data) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(data, "MESSAGE=1 log line was lost because of: "));
}

/* ---- text ---- */

static void test_pipe(void **state) {
	struct world *w = *state;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	w->j.label = "x";
	say(w, LOG_LEVEL_ERR, "first");
	say(w, LOG_LEVEL_DEBUG, "second");
	assert_reads(fds[0], "<3>sdwd: first\n<7>sdwd: second\n");
	/* The child's stderr stays as it was, and gets no fd of ours. */
	assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(w->j.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(w->j.fd, F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
}

static void test_one_message_is_one_line(void **state) {
	struct world *w = *state;
	static char large[4 * LOG_MESSAGE_MAX];
	const char *line;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	say(w, LOG_LEVEL_INFO, "a\n<0>b\033[2J");
	assert_reads(fds[0], "<6>sdwd: a?<0>b?[2J\n");
	memset(large, 'x', sizeof(large) - 1);
	say(w, LOG_LEVEL_INFO, large);
	line = read_now(fds[0]);
	assert_true(strlen(line) <= LOG_MESSAGE_MAX + 10);
	assert_int_equal(line[strlen(line) - 1], '\n');
	close(fds[0]);
}

static void test_full_pipe_does_not_block(void **state) {
	struct world *w = *state;
	static char data[64 * 1024 + 1];
	int fds[2], child_end;
	char *found;
	unsigned n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child_end = dup(fds[1]);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	for (n = 0; w->j.n_lost < 3 && n < 1000000; n++)
		say(w, LOG_LEVEL_INFO, "a line of the log");
	assert_int_equal(w->j.n_lost, 3);
	assert_true(read(fds[0], data, sizeof(data) - 1) > 0);
	say(w, LOG_LEVEL_INFO, "next");
	assert_int_equal(w->j.n_lost, 0);
	memset(data, 0, sizeof(data));
	assert_true(read(fds[0], data, sizeof(data) - 1) > 0);
	found = strstr(data, "<4>sdwd: 3 log lines were lost because of: Resource");
	assert_non_null(found);
	assert_non_null(strstr(found, "<6>sdwd: next\n"));
	close(child_end);
	close(fds[0]);
}

/* Where stderr cannot be opened anew, its description may block, and must not be asked to. */
static void test_full_pipe_that_is_shared(void **state) {
	struct world *w = *state;
	static char data[64 * 1024];
	unsigned n;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_int_equal(dup3(STDERR_FILENO, w->j.fd, O_CLOEXEC), w->j.fd);
	w->j.must_poll = true;
	assert_false(fcntl(w->j.fd, F_GETFL) & O_NONBLOCK);
	for (n = 0; w->j.n_lost < 3 && n < 1000000; n++)
		say(w, LOG_LEVEL_INFO, "a line of the log");
	assert_int_equal(w->j.n_lost, 3);
	assert_true(read(fds[0], data, sizeof(data)) > 0);
	say(w, LOG_LEVEL_INFO, "next");
	assert_int_equal(w->j.n_lost, 0);
	close(fds[0]);
}

static void on_sigpipe(int number) {
	static const char text[] = "SIGPIPE was delivered\n";

	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

static void test_reader_gone_raises_no_sigpipe(void **state) {
	struct world *w = *state;
	sigset_t pending, mask;
	int fds[2];

	signal(SIGPIPE, on_sigpipe);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	close(fds[0]);
	say(w, LOG_LEVEL_INFO, "to nobody");
	assert_int_equal(w->j.n_lost, 1);
	assert_int_equal(w->j.lost_error, EPIPE);

	/* And none waits where the signal is blocked, as it is for a signalfd. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	say(w, LOG_LEVEL_INFO, "to nobody");
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	/* But one that was sent to us stays. */
	raise(SIGPIPE);
	say(w, LOG_LEVEL_INFO, "to nobody");
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void test_stream_socket(void **state) {
	struct world *w = *state;
	static char data[1024 * 1024];
	unsigned n;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	be_stderr(fds[1]);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_true(w->j.is_socket);
	assert_true(fcntl(w->j.fd, F_GETFD) & FD_CLOEXEC);
	say(w, LOG_LEVEL_NOTICE, "line");
	assert_reads(fds[0], "<5>sdwd: line\n");
	assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
	for (n = 0; w->j.n_lost < 2 && n < 1000000; n++)
		say(w, LOG_LEVEL_INFO, "fill");
	assert_int_equal(w->j.n_lost, 2);
	while (read(fds[0], data, sizeof(data)) > 0)
		;
	say(w, LOG_LEVEL_INFO, "next");
	assert_int_equal(w->j.n_lost, 0);
	signal(SIGPIPE, on_sigpipe);
	close(fds[0]);
	say(w, LOG_LEVEL_INFO, "to nobody");
	assert_int_equal(w->j.n_lost, 1);
	signal(SIGPIPE, SIG_DFL);
}

/* The offset is the child's too: nobody writes over the other's lines. */
static void test_regular_file_shares_its_offset(void **state) {
	struct world *w = *state;
	char path[64], data[128] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/log", w->folder);
	be_stderr(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	unlink(path);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_int_equal(write(STDERR_FILENO, "child\n", 6), 6);
	say(w, LOG_LEVEL_INFO, "ours");
	assert_int_equal(write(STDERR_FILENO, "child\n", 6), 6);
	say(w, LOG_LEVEL_INFO, "ours");
	fd = STDERR_FILENO;
	assert_true(pread(fd, data, sizeof(data) - 1, 0) > 0);
	assert_string_equal(data, "child\n<6>sdwd: ours\nchild\n<6>sdwd: ours\n");
}

static int open_terminal(void) {
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	be_stderr(open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
	return master;
}

static void test_terminal(void **state) {
	struct world *w = *state;
	int master = open_terminal();

	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_true(w->j.is_terminal);
	assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
	say(w, LOG_LEVEL_INFO, "no label");
	assert_reads(master, "sdwd: no label\r\n");
	w->j.label = "web";
	say(w, LOG_LEVEL_INFO, "plain");
	assert_reads(master, "sdwd[web]: plain\r\n");
	say(w, LOG_LEVEL_ERR, "red");
	assert_reads(master, "\033[31msdwd[web]: red\033[0m\r\n");
	say(w, LOG_LEVEL_WARNING, "yellow");
	assert_reads(master, "\033[33msdwd[web]: yellow\033[0m\r\n");
	journal_close(&w->j);

	setenv("NO_COLOR", "1", 1);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	say(w, LOG_LEVEL_ERR, "grey");
	assert_reads(master, "sdwd: grey\r\n");
	journal_close(&w->j);
	/* no-color.org: empty counts as unset. */
	setenv("NO_COLOR", "", 1);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_true(w->j.has_colour);
	journal_close(&w->j);
	setenv("TERM", "dumb", 1);
	assert_int_equal(journal_open(&w->j, false, true), 0);
	assert_false(w->j.has_colour);
	assert_true(w->j.is_terminal);
	close(master);
	say(w, LOG_LEVEL_ERR, "hung up");
	assert_int_equal(w->j.n_lost, 1);
}

static void test_stopped_terminal_does_not_block(void **state) {
	struct world *w = *state;
	int master = open_terminal();

	assert_int_equal(journal_open(&w->j, false, true), 0);
	/* Nobody reads the other side. */
	for (unsigned n = 0; w->j.n_lost < 2 && n < 1000000; n++)
		say(w, LOG_LEVEL_INFO, "a line of the log");
	assert_int_equal(w->j.n_lost, 2);
	close(master);
}

/* journald asks /proc whose datagram it reads: the sender must not be gone by then. */
static void test_close_waits_until_the_last_entry_was_read(void **state) {
	struct world *w = *state;
	struct log_entry entry = {.level = LOG_LEVEL_ERR, .message = "last words"};
	int *is_reading = mmap(NULL, sizeof(*is_reading), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char data[512];
	pid_t pid;

	assert_true(is_reading != MAP_FAILED);
	assert_int_equal(journal_open_at(&w->j, w->path, true, false), 0);
	journal_sink(&w->j, &entry);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		usleep(20000);
		*is_reading = 1;
		_exit(recv(w->journald, data, sizeof(data), 0) > 0 ? 0 : 1);
	}
	journal_close(&w->j);
	assert_int_equal(*is_reading, 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	munmap(is_reading, sizeof(*is_reading));
}

static void test_never_opened(void **state) {
	struct journal j = {0};
	struct log_entry entry = {.level = LOG_LEVEL_INFO, .message = "x"};

	journal_sink(&j, &entry);
	journal_close(&j);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_native_fields),
		IN_WORLD(test_native_leaves_out_what_does_not_fit),
		IN_WORLD(test_native_is_chosen_by_journal_stream),
		IN_WORLD(test_forced_and_no_journald),
		IN_WORLD(test_native_counts_and_tells_what_was_lost),
		IN_WORLD(test_native_survives_a_restart_of_journald),
		IN_WORLD(test_pipe),
		IN_WORLD(test_one_message_is_one_line),
		IN_WORLD(test_full_pipe_does_not_block),
		IN_WORLD(test_full_pipe_that_is_shared),
		IN_WORLD(test_reader_gone_raises_no_sigpipe),
		IN_WORLD(test_stream_socket),
		IN_WORLD(test_regular_file_shares_its_offset),
		IN_WORLD(test_terminal),
		IN_WORLD(test_stopped_terminal_does_not_block),
		IN_WORLD(test_close_waits_until_the_last_entry_was_read),
		cmocka_unit_test(test_never_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
