/* SPDX-License-Identifier: MIT */
/*
 * What runs in the guest besides sdwd: the service, and what no shell does.
 *   app [stay]: says in which domain it is, and ends with 7 or stays
 *   guest label CONTEXT FILE...: labels files
 *   guest listen stream|seqpacket PORT: a manager on VMADDR_CID_ANY, says each message in one line
 */
#include <err.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

/* systemd's limit for a message. */
#define MESSAGE_MAX 4096

static int app(int argc) {
	char domain[MESSAGE_MAX] = "";
	FILE *file = fopen("/proc/self/attr/current", "re");
	int parent_signal = 0;

	if (!file || fread(domain, 1, sizeof(domain) - 1, file) == 0)
		err(1, "attr/current");
	fclose(file);
	(void)prctl(PR_GET_PDEATHSIG, &parent_signal, 0, 0, 0);
	printf("app: pdeathsig %d domain %s\n", parent_signal, domain);
	fflush(stdout);
	if (argc > 1)
		pause();
	return 7;
}

static int label(char **argv) {
	for (char **path = argv + 1; *path; path++)
		if (setxattr(*path, "security.selinux", argv[0], strlen(argv[0]) + 1, 0) < 0)
			err(1, "%s", *path);
	return 0;
}

/* The end of a connection is the end of its message. */
static void hear(int fd) {
	char message[MESSAGE_MAX + 1];
	size_t length = 0;
	ssize_t n;

	while (length < MESSAGE_MAX &&
	       (n = recv(fd, message + length, MESSAGE_MAX - length, 0)) > 0)
		length += (size_t)n;
	message[length] = '\0';
	for (char *c = message; *c != '\0'; c++)
		if (*c == '\n')
			*c = '|';
	printf("vsock: %s\n", message);
	fflush(stdout);
}

static int hear_all(const char *type, const char *port) {
	struct sockaddr_vm any = {.svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = (unsigned)strtoul(port, NULL, 10)};
	int fd = socket(AF_VSOCK, strcmp(type, "stream") == 0 ? SOCK_STREAM : SOCK_SEQPACKET, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0)
		err(1, "%s %s", type, port);
	puts("listening");
	fflush(stdout);
	for (;;) {
		struct sockaddr_vm peer;
		socklen_t size = sizeof(peer);
		int connection = accept(fd, (struct sockaddr *)&peer, &size);

		if (connection < 0)
			err(1, "accept");
		if (peer.svm_port >= 1024)
			puts("vsock: not from a privileged port");
		hear(connection);
		close(connection);
	}
}

int main(int argc, char **argv) {
	const char *name = strrchr(argv[0], '/');

	if (strncmp(name ? name + 1 : argv[0], "app", 3) == 0)
		return app(argc);
	if (argc > 3 && strcmp(argv[1], "label") == 0)
		return label(argv + 2);
	if (argc == 4 && strcmp(argv[1], "listen") == 0)
		return hear_all(argv[2], argv[3]);
	errx(1, "unknown words");
}
