/* SPDX-License-Identifier: MIT */
/*
 * How long evidence takes to the manager. The manager, a datagram socket that this program makes at
 * SOCKET, and whoever gives the evidence read the same clock.
 *
 *     latency beat SOCKET COUNT USEC COMMAND...: the COMMAND's child is `latency give`. COUNT
 *         times, USEC apart: a beat on its pipe, and the time until WATCHDOG=1 is here
 *     latency trigger SOCKET COMMAND...: the same child; one WATCHDOG=trigger on its pipe, and the
 *         time until it is here
 *     latency talk SOCKET COUNT USEC COMMAND...: the COMMAND, or its child, is `latency say COUNT
 *         USEC`; the time from each message to here
 *
 * Prints nanoseconds, one a line, then "cpu NANOSECONDS": of the COMMAND alone, from the first to
 * the last of them. Ends the COMMAND by SIGTERM. And what runs there:
 *
 *     latency give: hands its heartbeat's fd to the above, by the fd that BENCH_FD names
 *     latency say COUNT USEC: sends READY=1, then COUNT times the time
 *     latency forward COMMAND...: the least that a beat can cost: reads a pipe, says WATCHDOG=1
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MSEC 30000

extern char **environ;

static int manager_fd = -1, given_fd[2];
static pid_t command_pid;

static long long nanoseconds(clockid_t clock) {
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long command_cpu(void) {
	clockid_t clock;

	return clock_getcpuclockid(command_pid, &clock) == 0 ? nanoseconds(clock) : 0;
}

static void nap(long usec) {
	struct timespec t = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static _Noreturn void die(const char *what) {
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	if (command_pid > 0)
		(void)kill(command_pid, SIGTERM);
	exit(1);
}

static struct sockaddr_un unix_address(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (!path || strlen(path) >= sizeof(a.sun_path))
		die("address");
	memcpy(a.sun_path, path, strlen(path));
	return a;
}

static void open_manager(const char *path) {
	struct sockaddr_un a = unix_address(path);

	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	if (manager_fd < 0 || bind(manager_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    setenv("NOTIFY_SOCKET", path, 1) < 0)
		die(path);
}

static void start(char **command) {
	char number[16];
	int r;

	/* Our end is ours alone: who runs there ends when we do, however that is. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, given_fd) < 0 ||
	    fcntl(given_fd[0], F_SETFD, FD_CLOEXEC) < 0)
		die("socketpair");
	(void)snprintf(number, sizeof(number), "%d", given_fd[1]);
	if (setenv("BENCH_FD", number, 1) < 0)
		die("setenv");
	r = posix_spawnp(&command_pid, command[0], NULL, NULL, command, environ);
	if (r != 0) {
		errno = r;
		die(command[0]);
	}
}

/* Waits for a message of the manager that has @word in it; returns when it came. */
static long long wait_for(const char *word, char *message, size_t size) {
	struct pollfd p = {.fd = manager_fd, .events = POLLIN};

	for (;;) {
		ssize_t n = recv(manager_fd, message, size - 1, 0);
		long long at = nanoseconds(CLOCK_MONOTONIC);

		if (n >= 0) {
			message[n] = '\0';
			if (strstr(message, word))
				return at;
		} else if (poll(&p, 1, PATIENCE_MSEC) <= 0) {
			errno = ETIME;
			die(word);
		}
	}
}

static void drain(void) {
	char message[4096];

	while (recv(manager_fd, message, sizeof(message), 0) >= 0)
		;
}

/* The heartbeat's end of the pipe, from `latency give`. */
static int take_fd(void) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = given_fd[0], .events = POLLIN};
	int fd;

	if (poll(&p, 1, PATIENCE_MSEC) <= 0 ||
	    recvmsg(given_fd[0], &message, MSG_CMSG_CLOEXEC) < 0 || !CMSG_FIRSTHDR(&message))
		die("give");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Until the one that measures has ended. */
static void stay(void) {
	const char *fd = getenv("BENCH_FD");
	char byte;

	if (fd)
		(void)!recv(atoi(fd), &byte, 1, 0);
}

static int give(void) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int))}};
	const char *to = getenv("BENCH_FD"), *heartbeat = getenv("SDWD_HEARTBEAT_FD");
	char byte = 'x';
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int fd;

	if (!to || !heartbeat)
		return 2;
	fd = atoi(heartbeat);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(atoi(to), &message, MSG_NOSIGNAL) < 0)
		return 1;
	stay();
	return 0;
}

static int say(long count, long usec) {
	struct sockaddr_un a = unix_address(getenv("NOTIFY_SOCKET"));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64] = "READY=1";

	for (long i = 0; i <= count; i++) {
		if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a)) <
		    0)
			die("sendto");
		nap(i == 0 ? 200000 : usec);
		(void)snprintf(text, sizeof(text), "X_AT=%lld", nanoseconds(CLOCK_MONOTONIC));
	}
	stay();
	return 0;
}

static int forward(char **command) {
	struct sockaddr_un a = unix_address(getenv("NOTIFY_SOCKET"));
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ends[2];
	const char *words = "READY=1";
	char number[16], bytes[512];
	pid_t pid;

	if (s < 0 || pipe(ends) < 0)
		die("forward");
	(void)snprintf(number, sizeof(number), "%d", ends[1]);
	(void)setenv("SDWD_HEARTBEAT_FD", number, 1);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)execvp(command[0], command);
		_exit(127);
	}
	(void)close(ends[1]);
	while (read(ends[0], bytes, sizeof(bytes)) > 0) {
		(void)sendto(s, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT,
			     (struct sockaddr *)&a, sizeof(a));
		words = "WATCHDOG=1";
	}
	return 0;
}

static void beat_once(int fd, const char *beat, const char *word) {
	char message[4096];
	long long begin;

	drain();
	begin = nanoseconds(CLOCK_MONOTONIC);
	if (write(fd, beat, strlen(beat)) < 0)
		die("beat");
	printf("%lld\n", wait_for(word, message, sizeof(message)) - begin);
}

static void measure_beats(long count, long usec) {
	char message[4096];
	long long cpu;
	int fd = take_fd();

	if (write(fd, "\n", 1) < 0)
		die("beat");
	(void)wait_for("READY=1", message, sizeof(message));
	nap(usec);
	cpu = command_cpu();
	for (long i = 0; i < count; i++) {
		beat_once(fd, "\n", "WATCHDOG=1");
		nap(usec);
	}
	printf("cpu %lld\n", command_cpu() - cpu);
}

static void measure_trigger(void) {
	char message[4096];
	int fd = take_fd();

	if (write(fd, "READY=1\n", 8) < 0)
		die("beat");
	(void)wait_for("READY=1", message, sizeof(message));
	beat_once(fd, "WATCHDOG=trigger\n", "WATCHDOG=trigger");
}

static void measure_talk(long count) {
	char message[4096];
	long long cpu = 0, at;

	for (long i = 0; i < count; i++) {
		at = wait_for("X_AT=", message, sizeof(message));
		printf("%lld\n", at - atoll(strstr(message, "X_AT=") + 5));
		if (i == 0)
			cpu = command_cpu();
	}
	printf("cpu %lld\n", command_cpu() - cpu);
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "give") == 0)
		return give();
	if (strcmp(mode, "say") == 0 && argc == 4)
		return say(atol(argv[2]), atol(argv[3]));
	if (strcmp(mode, "forward") == 0 && argc > 2)
		return forward(argv + 2);
	if (strcmp(mode, "trigger") == 0 ? argc < 4 : argc < 6)
		return 2;

	open_manager(argv[2]);
	start(argv + (strcmp(mode, "trigger") == 0 ? 3 : 5));
	if (strcmp(mode, "beat") == 0)
		measure_beats(atol(argv[3]), atol(argv[4]));
	else if (strcmp(mode, "talk") == 0)
		measure_talk(atol(argv[3]));
	else
		measure_trigger();
	(void)kill(command_pid, SIGTERM);
	while (waitpid(command_pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fflush(stdout) == 0 ? 0 : 1;
}
