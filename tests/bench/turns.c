/* SPDX-License-Identifier: MIT */
/*
 * turns [--ready=SOCKET | --term] COUNT COMMAND... ; COMMAND... ; ...: runs each command by turns,
 * A B C A B C ..., COUNT times, and prints a line for each run: the command's number, nanoseconds
 * by the clock, microseconds of CPU of it and of all that it waited for, and nanoseconds to its
 * word. That is the time that it writes to stdout (began.c), else 0. With --ready it is when
 * READY=1 came to the datagram socket that this program makes at SOCKET, and then the command gets
 * SIGTERM. With --term (termed.c) the command gets SIGTERM some time after its word, writes a
 * second one, and nanoseconds from the signal to that are told. A small starter: what starts them
 * is part of what is measured, and should be little and the same for all. Their stderr goes to
 * /dev/null. An exit status other than 0 ends it, with --ready one other than SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16
#define PATIENCE_MSEC 30000
#define BEFORE_TERM_MSEC 5

extern char **environ;

static int word_fd;         /* what the commands' stdout is read from, not blocking */
static int manager_fd = -1; /* of --ready, not blocking */
static int sends_term;

static long long nanoseconds(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long microseconds(const struct timeval *t) {
	return t->tv_sec * 1000000L + t->tv_usec;
}

static int open_manager(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager_fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	(void)unlink(path);
	if (bind(manager_fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return setenv("NOTIFY_SOCKET", path, 1);
}

/* Waits for READY=1. Returns when it came, or 0: it did not. */
static long long wait_ready(void) {
	struct pollfd p = {.fd = manager_fd, .events = POLLIN};
	char message[4096];
	ssize_t n;

	while (poll(&p, 1, PATIENCE_MSEC) > 0) {
		n = recv(manager_fd, message, sizeof(message) - 1, 0);
		message[n > 0 ? n : 0] = '\0';
		if (strncmp(message, "READY=1", 7) == 0 || strstr(message, "\nREADY=1"))
			return nanoseconds();
	}
	return 0;
}

/* What is left of one run is not the next one's. */
static void drain_manager(void) {
	char message[4096];

	while (recv(manager_fd, message, sizeof(message), 0) > 0)
		;
}

static long long read_word(void) {
	char word[64];
	ssize_t n = read(word_fd, word, sizeof(word) - 1);

	word[n > 0 ? n : 0] = '\0';
	return atoll(word);
}

/* A word that may still have to come. */
static long long wait_word(void) {
	struct pollfd p = {.fd = word_fd, .events = POLLIN};

	return poll(&p, 1, PATIENCE_MSEC) > 0 ? read_word() : 0;
}

/* From SIGTERM for @pid to the time that its child says, or 0. */
static long long time_term(pid_t pid) {
	long long begin, end;

	if (wait_word() == 0)
		return 0;
	/* What was just started does its first things: that is not what is measured. */
	(void)poll(NULL, 0, BEFORE_TERM_MSEC);
	begin = nanoseconds();
	(void)kill(pid, SIGTERM);
	end = wait_word();
	return end > begin ? end - begin : 0;
}

static int run(int number, char **command, const posix_spawn_file_actions_t *actions) {
	long long begin = nanoseconds(), end, word = 0;
	struct rusage usage;
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, command[0], actions, NULL, command, environ);
	if (r != 0) {
		fprintf(stderr, "turns: %s: %s\n", command[0], strerror(r));
		return -1;
	}
	if (manager_fd >= 0) {
		word = wait_ready();
		(void)kill(pid, SIGTERM);
		if (word == 0)
			fprintf(stderr, "turns: %s: no READY=1\n", command[0]);
	}
	if (sends_term) {
		word = time_term(pid);
		if (word == 0) {
			fprintf(stderr, "turns: %s: no word of SIGTERM\n", command[0]);
			(void)kill(pid, SIGKILL);
		}
		word += begin;
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -1;
	end = nanoseconds();
	if (manager_fd >= 0)
		drain_manager();
	else if (!sends_term)
		word = read_word();
	if (manager_fd < 0 ? status != 0
			   : word == 0 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) {
		fprintf(stderr, "turns: %s: wait status %#x\n", command[0], (unsigned)status);
		return -1;
	}
	printf("%d %lld %ld %lld\n", number, end - begin,
	       microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime),
	       word > 0 ? word - begin : 0);
	return 0;
}

int main(int argc, char **argv) {
	posix_spawn_file_actions_t actions;
	char **commands[COMMANDS_MAX];
	int n_commands = 0, word[2];
	long count;

	if (argc > 1 && strncmp(argv[1], "--ready=", 8) == 0) {
		if (open_manager(argv[1] + 8) < 0) {
			perror("turns: --ready");
			return 1;
		}
		argv++;
		argc--;
	}
	if (argc > 1 && strcmp(argv[1], "--term") == 0) {
		sends_term = 1;
		argv++;
		argc--;
	}
	if (argc < 3)
		return 2;
	count = atol(argv[1]);
	commands[n_commands++] = &argv[2];
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], ";") == 0 && n_commands < COMMANDS_MAX) {
			argv[i] = NULL;
			commands[n_commands++] = &argv[i + 1];
		}
	posix_spawn_file_actions_init(&actions);
	if (pipe2(word, O_CLOEXEC) < 0 || fcntl(word[0], F_SETFL, O_NONBLOCK) < 0)
		return 1;
	word_fd = word[0];
	posix_spawn_file_actions_adddup2(&actions, word[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	for (long n = 0; n < count; n++)
		for (int i = 0; i < n_commands; i++)
			if (run(i, commands[i], &actions) < 0)
				return 1;
	return fflush(stdout) == 0 ? 0 : 1;
}
