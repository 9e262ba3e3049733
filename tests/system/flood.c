/* SPDX-License-Identifier: MIT */
/*
 * Floods, for flood.py: does one thing as fast as it can, until SIGTERM or for COUNT times (0: no
 * end), then prints "NUMBER done, NUMBER refused" and exits with 0.  SIGUSR1 prints "heard
 * MICROSECONDS" (CLOCK_MONOTONIC).
 *
 *     flood COUNT write FD SIZE TEXT: TEXT again and again, SIZE bytes at a time, to a
 *         non-blocking fd
 *     flood COUNT send TEXT FDS [ADDRESS]: datagrams with FDS copies of one fd, to ADDRESS or
 *         NOTIFY_SOCKET; waits where the queue is full, as sd_notify(3) does
 *     flood COUNT spin TEXT FDS [ADDRESS]: the same, but does not wait
 *     flood COUNT exits: orphans that end at once, by double forks, one after the other
 *     flood COUNT crowd: COUNT orphans that are alive at once and end together
 *     flood COUNT queue PID SIGNAL: sigqueue(3), with the values 0, 1, 2, ...
 *     flood COUNT kill PID SIGNAL: kill(2)
 *     flood COUNT touch FILE: changes it
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t must_end;
static unsigned long limit, done, refused;

static void on_term(int number) {
	must_end = 1;
}

static void on_usr1(int number) {
	struct timespec now;
	char line[64];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	n = snprintf(line, sizeof(line), "heard %lld\n",
		     now.tv_sec * 1000000LL + now.tv_nsec / 1000);
	(void)!write(STDOUT_FILENO, line, (size_t)n);
}

static void die(const char *what) {
	perror(what);
	exit(2);
}

static int goes_on(void) {
	return !must_end && (limit == 0 || done < limit);
}

static void count(int is_done) {
	if (is_done)
		done++;
	else
		refused++;
}

static void flood_write(char **words) {
	int fd = atoi(words[0]);
	size_t size = (size_t)atol(words[1]), length = strlen(words[2]);
	char *data = malloc(size);

	for (size_t i = 0; i < size; i++)
		data[i] = words[2][i % length];
	while (goes_on())
		count(write(fd, data, size) >= 0);
	free(data);
}

static void flood_send(char **words, int waits) {
	const char *name = words[2] ? words[2] : getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n_fds = (size_t)atoi(words[1]);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
	} control;
	struct iovec data = {.iov_base = words[0], .iov_len = strlen(words[0])};
	struct msghdr message = {.msg_name = &to, .msg_iov = &data, .msg_iovlen = 1};

	memcpy(to.sun_path, name, strlen(name));
	message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			((int *)(void *)CMSG_DATA(&control.header))[i] = s;
	}
	while (goes_on()) {
		ssize_t n = sendmsg(s, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));

		/* ETOOMANYREFS: RLIMIT_NOFILE many of our fds are under way. */
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
			die("sendmsg");
		count(n >= 0);
	}
}

/* Its parent ends at once: it is an orphan of the subreaper. */
static void orphan(int until_fd) {
	pid_t pid = fork();
	char byte;

	if (pid < 0) {
		refused++;
		(void)poll(NULL, 0, 1);
		return;
	}
	if (pid == 0) {
		pid = fork();
		if (pid == 0 && until_fd >= 0)
			(void)!read(until_fd, &byte, 1);
		_exit(pid < 0);
	}
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	count(status == 0);
}

static void flood_exits(void) {
	while (goes_on())
		orphan(-1);
}

static void flood_crowd(void) {
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe2");
	/* The write end must be ours alone. */
	while (goes_on()) {
		pid_t pid = fork();
		char byte;

		if (pid == 0) {
			pid = fork();
			if (pid == 0) {
				close(ends[1]);
				(void)!read(ends[0], &byte, 1);
			}
			_exit(pid < 0);
		}
		int status = 0;

		if (pid > 0)
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
		count(pid > 0 && status == 0);
	}
	printf("alive %lu\n", done);
	fflush(stdout);
	while (!must_end)
		pause();
}

/* By pidfd: whoever gets the pid later is not hit. */
static void flood_signals(char **words, int queues) {
	int fd = (int)syscall(SYS_pidfd_open, atoi(words[0]), 0);
	int number = atoi(words[1]);

	if (fd < 0)
		die("pidfd_open");
	while (goes_on()) {
		siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

		info.si_pid = getpid();
		info.si_uid = getuid();
		info.si_value.sival_int = (int)done;
		count(syscall(SYS_pidfd_send_signal, fd, number, queues ? &info : NULL, 0) == 0);
		if (errno == ESRCH)
			die("pidfd_send_signal");
	}
}

static void flood_touch(const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	while (goes_on())
		count(pwrite(fd, "x", 1, 0) == 1);
}

int main(int n_words, char **words) {
	struct sigaction term = {.sa_handler = on_term},
			 usr1 = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
	const char *kind;

	if (n_words < 3)
		return 2;
	/* None outlives its test, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	limit = strtoul(words[1], NULL, 10);
	kind = words[2];
	words += 3;
	if (strcmp(kind, "write") == 0)
		flood_write(words);
	else if (strcmp(kind, "send") == 0 || strcmp(kind, "spin") == 0)
		flood_send(words, kind[1] == 'e');
	else if (strcmp(kind, "exits") == 0)
		flood_exits();
	else if (strcmp(kind, "crowd") == 0)
		flood_crowd();
	else if (strcmp(kind, "queue") == 0 || strcmp(kind, "kill") == 0)
		flood_signals(words, kind[0] == 'q');
	else if (strcmp(kind, "touch") == 0)
		flood_touch(words[0]);
	else
		return 2;
	printf("%lu done, %lu refused\n", done, refused);
	return 0;
}
