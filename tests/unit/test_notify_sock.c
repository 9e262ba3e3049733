/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/notify_sock.h"

#define LINGER_SECONDS 60

struct world {
	char folder[40];
	struct notify_sock s;
	struct notify_datagram d;
	int sender;
	size_t n_fds_before;
};

static size_t count_entries(const char *folder) {
	DIR *d = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static socklen_t address_of(const char *path, struct sockaddr_un *address) {
	size_t size = strlen(path) + (path[0] == '@' ? 0 : 1);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, path, size);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static int connect_to(const char *path) {
	struct sockaddr_un address;
	socklen_t size = address_of(path, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

static void send_bytes(struct world *w, const char *data, size_t length, const int *fds,
		       size_t n_fds) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * NOTIFY_DATAGRAM_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = (char *)data, .iov_len = length};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(w->sender, &message, 0), length);
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));
	const char *places[] = {w->folder, NULL};

	assert_non_null(w);
	w->n_fds_before = count_entries("/proc/self/fd");
	strcpy(w->folder, "/tmp/sdwd-test-sock-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	chmod(w->folder, 0755);
	assert_int_equal(notify_sock_open_in(&w->s, places), 0);
	w->sender = connect_to(w->s.path);
	*state = w;
	return 0;
}

/* The fd itself is left to the end of the process. */
static void sock_close(struct notify_sock *s) {
	int fd = s->fd;

	notify_sock_close(s);
	assert_int_equal(s->fd, -1);
	if (fd > 0)
		fd_close(fd);
}

static int teardown(void **state) {
	struct world *w = *state;

	notify_datagram_done(&w->d);
	fd_close(w->sender);
	sock_close(&w->s);
	sock_close(&w->s);
	assert_int_equal(count_entries(w->folder), 0);
	assert_int_equal(rmdir(w->folder), 0);
	assert_int_equal(count_entries("/proc/self/fd"), w->n_fds_before);
	free(w);
	return 0;
}

/* ---- receiving ---- */

static void test_a_message_comes_with_its_sender(void **state) {
	struct world *w = *state;
	int status;
	pid_t pid;

	assert_int_equal(notify_sock_receive(&w->s, &w->d), 0);
	pid = fork();
	if (pid == 0)
		_exit(send(w->sender, "READY=1", 7, 0) == 7 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The sender is gone, its name is not. */
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.length, 7);
	assert_string_equal(w->d.data, "READY=1");
	assert_int_equal(w->d.pid, pid);
	assert_int_equal(w->d.uid, geteuid());
	assert_int_equal(w->d.n_fds, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 0);
}

static void test_fds_come_and_are_closed(void **state) {
	struct world *w = *state;
	int fds[NOTIFY_DATAGRAM_FDS_MAX];
	size_t n_before = count_entries("/proc/self/fd");

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = STDIN_FILENO;
	send_bytes(w, "FDSTORE=1", 9, fds, ARRAY_SIZE(fds));
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.n_fds, NOTIFY_DATAGRAM_FDS_MAX);
	assert_int_equal(count_entries("/proc/self/fd"), n_before + NOTIFY_DATAGRAM_FDS_MAX);
	for (size_t i = 0; i < w->d.n_fds; i++)
		assert_int_equal(fcntl(w->d.fds[i], F_GETFD), FD_CLOEXEC);
	notify_datagram_done(&w->d);
	notify_datagram_done(&w->d);
	assert_int_equal(count_entries("/proc/self/fd"), n_before);
}

/* A connection on which close(2) waits: unsent bytes, SO_LINGER, and a peer that never reads. */
static int make_lingering(int ret_peer[static 2]) {
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger linger = {.l_onoff = 1, .l_linger = LINGER_SECONDS};
	socklen_t size = sizeof(address);
	static const char data[65536];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ret_peer[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ret_peer[0], (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(ret_peer[0], 1), 0);
	assert_int_equal(getsockname(ret_peer[0], (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	ret_peer[1] = accept(ret_peer[0], NULL, NULL);
	assert_true(ret_peer[1] >= 0);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void assert_untouched_and_close(int fd) {
	struct linger linger = {0};
	socklen_t size = sizeof(linger);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
	assert_int_equal(linger.l_onoff, 1);
	linger.l_onoff = 0;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	fd_close(fd);
}

/* And stays as it is: it may be the child's still. */
static void test_a_socket_that_lingers_is_left(void **state) {
	struct world *w = *state;
	struct timespec before, after;
	int peer[2], fd = make_lingering(peer);

	send_bytes(w, "X=1", 3, &fd, 1);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.n_fds, 1);
	fd_close(fd);
	clock_gettime(CLOCK_MONOTONIC, &before);
	notify_datagram_done(&w->d);
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* An order of magnitude between what should be and what must not be. */
	assert_true(after.tv_sec - before.tv_sec < LINGER_SECONDS / 2);
	assert_int_equal(w->d.n_fds, 1);
	assert_untouched_and_close(w->d.fds[0]);
	w->d.n_fds = 0;
	fd_close(peer[0]);
	fd_close(peer[1]);
}

static void close_left(struct world *w) {
	for (size_t i = 0; i < w->d.n_fds; i++)
		fd_close(w->d.fds[i]);
	w->d.n_fds = 0;
}

/* What is in its queue would end with it, and may linger. */
static void test_unix_sockets_are_left(void **state) {
	struct world *w = *state;
	int pair[2], fds[3];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fds[0] = fds[2] = STDIN_FILENO;
	fds[1] = pair[0];
	send_bytes(w, "X=1", 3, fds, 3);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	notify_datagram_done(&w->d);
	assert_int_equal(w->d.n_fds, 1);
	close_left(w);
	/* Also of a message that is dropped. */
	send_bytes(w, "X\0Y", 3, fds, 3);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), -EBADMSG);
	assert_int_equal(w->d.n_fds, 1);
	close_left(w);
	fd_close(pair[0]);
	fd_close(pair[1]);
}

/* What went up is the manager's: it stays as the child made it. */
static void test_a_socket_that_went_up_stays_as_it_was(void **state) {
	struct world *w = *state;
	int peer[2], fd = make_lingering(peer);

	send_bytes(w, "FDSTORE=1", 9, &fd, 1);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	notify_datagram_done(&w->d);
	assert_int_equal(w->d.n_fds, 1);
	close_left(w);
	assert_untouched_and_close(fd);
	fd_close(peer[0]);
	fd_close(peer[1]);
}

static void test_size_limit_is_exact(void **state) {
	struct world *w = *state;
	char large[NOTIFY_MSG_MAX + 1];
	size_t n_before = count_entries("/proc/self/fd");
	int fd = STDIN_FILENO;

	memset(large, 'x', sizeof(large));
	send_bytes(w, large, NOTIFY_MSG_MAX, NULL, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.length, NOTIFY_MSG_MAX);
	assert_int_equal(w->d.data[NOTIFY_MSG_MAX], '\0');

	send_bytes(w, large, NOTIFY_MSG_MAX + 1, &fd, 1);
	send_bytes(w, "READY=1", 7, NULL, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), -EBADMSG);
	assert_int_equal(w->d.pid, getpid());
	assert_int_equal(w->d.n_fds, 0);
	assert_int_equal(count_entries("/proc/self/fd"), n_before);
	/* The one behind it is whole. */
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_string_equal(w->d.data, "READY=1");
}

static void test_nul_inside_drops(void **state) {
	struct world *w = *state;
	size_t n_before = count_entries("/proc/self/fd");
	int fd = STDIN_FILENO;

	send_bytes(w, "READY=1\0X=1", 11, &fd, 1);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), -EBADMSG);
	assert_int_equal(count_entries("/proc/self/fd"), n_before);
	send_bytes(w, "READY=1\0", 8, NULL, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.length, 7);
	send_bytes(w, "\0", 1, NULL, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.length, 0);
	send_bytes(w, "", 0, NULL, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.length, 0);
}

static void test_lost_fds_drop_the_message(void **state) {
	struct world *w = *state;
	struct rlimit old, low;
	int fds[8] = {0}, lowest = dup(STDIN_FILENO), r;
	size_t n_before;

	close(lowest);
	n_before = count_entries("/proc/self/fd");
	send_bytes(w, "FDSTORE=1", 9, fds, 8);
	/* Room for three of the eight (MSG_CTRUNC). */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)lowest + 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = notify_sock_receive(&w->s, &w->d);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(w->d.pid, getpid());
	assert_int_equal(count_entries("/proc/self/fd"), n_before);
}

static void test_without_credentials_it_is_dropped(void **state) {
	struct world *w = *state;
	size_t n_before = count_entries("/proc/self/fd");
	int off = 0, fd = STDIN_FILENO;

	assert_int_equal(setsockopt(w->s.fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)), 0);
	send_bytes(w, "READY=1", 7, &fd, 1);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), -EBADMSG);
	assert_int_equal(w->d.pid, 0);
	assert_int_equal(count_entries("/proc/self/fd"), n_before);
}

static void test_a_broken_socket_is_told(void **state) {
	struct notify_sock s = {.fd = -1};
	struct notify_datagram d;

	assert_int_equal(notify_sock_receive(&s, &d), -EBADF);
}

/* ---- places ---- */

static void test_modes(void **state) {
	struct world *w = *state;
	bool is_root = geteuid() == 0;
	struct stat st;

	assert_int_equal(stat(w->s.folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, is_root ? 0711 : 0700);
	assert_int_equal(stat(w->s.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, is_root ? 0666 : 0600);
	assert_int_equal(strncmp(w->s.path, w->s.folder, strlen(w->s.folder)), 0);
	assert_true(fcntl(w->s.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(w->s.fd, F_GETFL) & O_NONBLOCK);
}

static void test_umask_does_not_matter(void **state) {
	struct world *w = *state;
	const char *places[] = {w->folder, NULL};
	struct notify_sock s;
	struct stat st;
	mode_t old = umask(0777);
	int r = notify_sock_open_in(&s, places);

	umask(old);
	assert_int_equal(r, 0);
	assert_int_equal(s.path[0], '/');
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0666 : 0600);
	fd_close(connect_to(s.path));
	sock_close(&s);
}

/* The child may drop root and still speaks; others, too, but then the kernel says who they are. */
static void test_another_uid_can_send_to_root(void **state) {
	struct world *w = *state;
	struct sockaddr_un address;
	socklen_t size = address_of(w->s.path, &address);
	uid_t uid = geteuid() == 0 ? 65534 : geteuid();
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

		if (geteuid() == 0 &&
		    (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
			_exit(1);
		_exit(sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, size) == 7 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(notify_sock_receive(&w->s, &w->d), 1);
	assert_int_equal(w->d.uid, uid);
	assert_int_equal(w->d.pid, pid);
}

/* As user nobody: 0 where neither the folder nor the kernel's list tells the socket's name. */
static int look_for_the_name(const struct world *w) {
	char line[512], guess[128];
	FILE *list;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (opendir(w->s.folder) || errno != EACCES)
		return 2;
	snprintf(guess, sizeof(guess), "%s/notify", w->s.folder);
	if (access(guess, F_OK) == 0)
		return 3;
	list = fopen("/proc/net/unix", "r");
	if (!list)
		return 4;
	while (fgets(line, sizeof(line), list))
		if (strstr(line, w->s.path))
			return 5;
	return 0;
}

static void test_the_name_is_a_secret_of_root_and_its_child(void **state) {
	struct world *w = *state;
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		assert_string_equal(w->s.path + strlen(w->s.folder), "/notify");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(look_for_the_name(w));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(strlen(w->s.path + strlen(w->s.folder)), 13);
}

static void test_the_first_place_that_will_do(void **state) {
	struct world *w = *state;
	char file[64], missing[64], closed[64], deep[128];
	const char *places[] = {"relative", missing, file, deep, closed, w->folder, NULL};
	struct notify_sock s;

	snprintf(missing, sizeof(missing), "%s/missing", w->folder);
	snprintf(file, sizeof(file), "%s/file", w->folder);
	fd_close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	/* Others cannot pass: no place for root's child.  Our own folder without w: none for us. */
	snprintf(closed, sizeof(closed), "%s/closed", w->folder);
	assert_int_equal(mkdir(closed, geteuid() == 0 ? 0700 : 0500), 0);
	/* A path that an address cannot hold. */
	snprintf(deep, sizeof(deep), "%s/", w->folder);
	memset(deep + strlen(deep), 'd', 100 - strlen(deep));
	deep[100] = '\0';
	assert_int_equal(mkdir(deep, 0755), 0);

	assert_int_equal(notify_sock_open_in(&s, places), 0);
	assert_int_equal(strncmp(s.folder, w->folder, strlen(w->folder)), 0);
	assert_int_equal(strncmp(s.folder + strlen(w->folder), "/sdwd-", 6), 0);
	assert_int_equal(count_entries(closed), 0);
	assert_int_equal(count_entries(deep), 0);
	fd_close(connect_to(s.path));
	sock_close(&s);
	rmdir(deep);
	rmdir(closed);
	unlink(file);
}

/* Whoever may rename what stands in a place could put a link where our folder was. */
static void test_a_place_that_others_may_change_is_passed_over(void **state) {
	static const struct {
		mode_t mode;
		bool is_foreign, is_taken;
	} rows[] = {
		{0777, false, false}, {0775, false, false}, {01777, false, true},
		{0755, false, true},  {0755, true, false},  {01777, true, false},
	};
	struct world *w = *state;
	struct notify_sock s;
	char place[64];
	const char *places[] = {place, w->folder, NULL};

	snprintf(place, sizeof(place), "%s/place", w->folder);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Only root can give away what is its own. */
		bool is_foreign = rows[i].is_foreign && geteuid() == 0;

		assert_int_equal(mkdir(place, 0755), 0);
		assert_int_equal(chmod(place, rows[i].mode), 0);
		if (is_foreign)
			assert_int_equal(chown(place, 65534, 65534), 0);
		assert_int_equal(notify_sock_open_in(&s, places), 0);
		assert_int_equal(strncmp(s.path, place, strlen(place)) == 0,
				 is_foreign || !rows[i].is_foreign ? rows[i].is_taken : true);
		sock_close(&s);
		assert_int_equal(rmdir(place), 0);
	}
}

static void test_abstract_where_no_place_will_do(void **state) {
	struct world *w = *state;
	const char *places[] = {"/proc/none", NULL};
	struct notify_sock s;

	assert_int_equal(notify_sock_open_in(&s, places), 0);
	assert_int_equal(s.path[0], '@');
	assert_true(strlen(s.path) > 1);
	assert_null(s.folder);
	fd_close(w->sender);
	w->sender = connect_to(s.path);
	send_bytes(w, "READY=1", 7, NULL, 0);
	assert_int_equal(notify_sock_receive(&s, &w->d), 1);
	assert_string_equal(w->d.data, "READY=1");
	assert_int_equal(w->d.pid, getpid());
	sock_close(&s);
}

static void test_runtime_directory_comes_first(void **state) {
	struct world *w = *state;
	struct notify_sock s;
	char both[128];

	snprintf(both, sizeof(both), "%s:/run/other", w->folder);
	setenv("RUNTIME_DIRECTORY", both, 1);
	assert_int_equal(notify_sock_open(&s), 0);
	assert_int_equal(strncmp(s.path, w->folder, strlen(w->folder)), 0);
	sock_close(&s);
	unsetenv("RUNTIME_DIRECTORY");
	/* Without it there still is a place. */
	assert_int_equal(notify_sock_open(&s), 0);
	assert_int_not_equal(strncmp(s.path, w->folder, strlen(w->folder)), 0);
	fd_close(connect_to(s.path));
	sock_close(&s);
}

/* What a killed sdwd leaves behind: everything but the socket itself. */
static void leave_behind(const char *const *places, char *ret_folder, size_t size) {
	struct notify_sock s;

	assert_int_equal(notify_sock_open_in(&s, places), 0);
	assert_true((size_t)snprintf(ret_folder, size, "%s", s.folder) < size);
	fd_close(s.fd);
	fd_close(s.lock);
	free(s.path);
	free(s.folder);
}

static void test_what_a_killed_one_left_behind_goes_with_the_next(void **state) {
	struct world *w = *state;
	const char *places[] = {w->folder, NULL};
	char dead[2][64];
	struct notify_sock s;

	for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
		leave_behind(places, dead[i], sizeof(dead[i]));
	assert_int_equal(notify_sock_open_in(&s, places), 0);
	/* Its own, and that of the one which lives. */
	assert_int_equal(count_entries(w->folder), 2);
	assert_int_equal(access(w->s.path, F_OK), 0);
	fd_close(connect_to(s.path));
	sock_close(&s);
}

static void remove_all(const char *folder) {
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	assert_int_equal(remove(folder), 0);
}

static void test_nothing_else_is_swept_away(void **state) {
	struct world *w = *state;
	const char *places[] = {w->folder, NULL};
	char dead[64], file[128], made[8][96], *more;
	struct notify_sock s;
	size_t n = 0;
	struct notify_sock in_use;
	int lock;

	/* Left behind too, but their names are not ours. */
	for (const char *const *name = (const char *const[]){"sdwd-abcdefg", "other-abcdef", NULL};
	     *name; name++) {
		leave_behind(places, dead, sizeof(dead));
		snprintf(made[n], sizeof(made[n]), "%s/%s", w->folder, *name);
		assert_int_equal(rename(dead, made[n++]), 0);
	}
	/* One that is in use though it could not be locked. */
	assert_int_equal(notify_sock_open_in(&in_use, places), 0);
	assert_int_equal(flock(in_use.lock, LOCK_UN), 0);
	/* One with a lock; one with more in it; another user's, where we can give it away. */
	leave_behind(places, made[n], sizeof(made[n]));
	lock = open(made[n++], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_SH), 0);
	leave_behind(places, made[n], sizeof(made[n]));
	snprintf(file, sizeof(file), "%s/more", made[n++]);
	fd_close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	more = made[n - 1];
	if (geteuid() == 0) {
		leave_behind(places, made[n], sizeof(made[n]));
		assert_int_equal(chown(made[n++], 65534, 65534), 0);
	}
	/* One that another begins to make; one with a file in the place of the socket; a link to
	 * one. */
	snprintf(made[n], sizeof(made[n]), "%s/sdwd-begins", w->folder);
	assert_int_equal(mkdir(made[n++], 0700), 0);
	snprintf(made[n], sizeof(made[n]), "%s/sdwd-file00", w->folder);
	assert_int_equal(mkdir(made[n], 0700), 0);
	snprintf(file, sizeof(file), "%s/notify", made[n++]);
	fd_close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	snprintf(made[n], sizeof(made[n]), "%s/sdwd-link00", w->folder);
	assert_int_equal(symlink(made[0], made[n]), 0);
	leave_behind(places, dead, sizeof(dead));

	assert_int_equal(notify_sock_open_in(&s, places), 0);
	sock_close(&s);
	assert_int_not_equal(access(dead, F_OK), 0);
	assert_int_equal(access(in_use.path, F_OK), 0);
	assert_int_equal(count_entries(more), 2);
	sock_close(&in_use);
	assert_int_equal(unlink(made[n]), 0);
	while (n-- > 0)
		remove_all(made[n]);
	fd_close(lock);
}

static void test_done_twice_and_never_opened(void **state) {
	struct notify_sock s = {0};

	sock_close(&s);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_a_message_comes_with_its_sender),
		IN_WORLD(test_fds_come_and_are_closed),
		IN_WORLD(test_a_socket_that_lingers_is_left),
		IN_WORLD(test_unix_sockets_are_left),
		IN_WORLD(test_a_socket_that_went_up_stays_as_it_was),
		IN_WORLD(test_size_limit_is_exact),
		IN_WORLD(test_nul_inside_drops),
		IN_WORLD(test_lost_fds_drop_the_message),
		IN_WORLD(test_without_credentials_it_is_dropped),
		cmocka_unit_test(test_a_broken_socket_is_told),
		IN_WORLD(test_modes),
		IN_WORLD(test_umask_does_not_matter),
		IN_WORLD(test_another_uid_can_send_to_root),
		IN_WORLD(test_the_name_is_a_secret_of_root_and_its_child),
		IN_WORLD(test_the_first_place_that_will_do),
		IN_WORLD(test_a_place_that_others_may_change_is_passed_over),
		IN_WORLD(test_abstract_where_no_place_will_do),
		IN_WORLD(test_runtime_directory_comes_first),
		IN_WORLD(test_what_a_killed_one_left_behind_goes_with_the_next),
		IN_WORLD(test_nothing_else_is_swept_away),
		cmocka_unit_test(test_done_twice_and_never_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
