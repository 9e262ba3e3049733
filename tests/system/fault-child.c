/* SPDX-License-Identifier: MIT */
/*
 * The service of the fault sweep: alive by every way that its words name, until SIGTERM, then
 * exit 3. beat (SDWD_HEARTBEAT_FD), notify (READY=1, then WATCHDOG=1), serve=FD... (a listening
 * socket: 200 OK), touch=PATH, daemon=PIDFILE (the one that was started ends), hasty (is ready only
 * after a moment) log=PATH tells what it goes through: "begin", each signal by number, "end".
 * SIGUSR1 makes it ill: no sign of life, 500; SIGUSR2 well again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVE_MAX 8
#define STATUS_GOOD 3
#define EVERY_MS 30

static int log_fd = -1;

static void say(const char *text) {
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (log_fd >= 0 && write(log_fd, line, (size_t)n) < 0)
		_exit(90);
}

static void notify(const char *text) {
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return;
	strcpy(to.sun_path, path);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

static void become_daemon(const char *path) {
	char pid[32];
	int fd;

	if (fork() != 0)
		_exit(0);
	setsid();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, pid, (size_t)snprintf(pid, sizeof(pid), "%d\n", getpid())) < 0)
		_exit(91);
	close(fd);
}

static void serve(int listener, int is_ill) {
	const char *answer = is_ill ? "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
				    : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char request[4096];
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	/* Who only connects closes at once. */
	if (fd >= 0 && poll(&p, 1, 2000) > 0 && recv(fd, request, sizeof(request), 0) > 0)
		(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	close(fd);
}

int main(int argc, char **argv) {
	struct pollfd p[SERVE_MAX + 1] = {{.events = POLLIN}};
	int n = 1, beat_fd = -1, does_notify = 0, is_ill = 0;
	const char *touched = NULL, *pidfile = NULL, *beat = getenv("SDWD_HEARTBEAT_FD");
	sigset_t set;

	/* Ours from the first instruction that matters: what comes before is in the log as well. */
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i < argc; i++) {
		const char *value = strchr(argv[i], '=');

		value = value ? value + 1 : "";
		if (strncmp(argv[i], "log=", 4) == 0)
			log_fd = open(value, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		else if (strncmp(argv[i], "serve=", 6) == 0 && n <= SERVE_MAX)
			p[n++] = (struct pollfd){.fd = atoi(value), .events = POLLIN};
		else if (strncmp(argv[i], "touch=", 6) == 0)
			touched = value;
		else if (strncmp(argv[i], "daemon=", 7) == 0)
			pidfile = value;
		else if (strcmp(argv[i], "beat") == 0)
			beat_fd = beat ? atoi(beat) : -1;
		else if (strcmp(argv[i], "notify") == 0)
			does_notify = 1;
	}
	if (pidfile)
		become_daemon(pidfile);
	p[0].fd = signalfd(-1, &set, SFD_CLOEXEC);
	say("begin");
	if (does_notify)
		notify("READY=1");
	for (;;) {
		if (!is_ill && beat_fd >= 0 && write(beat_fd, "\n", 1) < 0 && errno != EAGAIN)
			beat_fd = -1;
		if (!is_ill && does_notify)
			notify("WATCHDOG=1");
		if (!is_ill && touched) {
			int fd = open(touched, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

			if (fd < 0 || write(fd, "x", 1) < 0)
				return 92;
			close(fd);
		}
		if (poll(p, (nfds_t)n, EVERY_MS) <= 0)
			continue;
		for (int i = 1; i < n; i++)
			if (p[i].revents)
				serve(p[i].fd, is_ill);
		if (p[0].revents) {
			struct signalfd_siginfo info;
			char number[16];

			if (read(p[0].fd, &info, sizeof(info)) != sizeof(info))
				return 93;
			snprintf(number, sizeof(number), "%u", info.ssi_signo);
			say(number);
			if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2)
				is_ill = info.ssi_signo == SIGUSR1;
			if (info.ssi_signo == SIGTERM) {
				say("end");
				return STATUS_GOOD;
			}
		}
	}
}
