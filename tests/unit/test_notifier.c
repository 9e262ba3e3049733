/* SPDX-License-Identifier: MIT */
/* Against real sockets.  What no real socket does on demand is done by --wrap: see "faults". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Linux 5.10's does not stand alone. */
#include <linux/vm_sockets.h>

#include "base/fd.h"
#include "base/usec.h"
#include "open_fds.h"
#include "sys/notifier.h"
#include "sys/notify_address.h"

/* Far above what a loaded machine needs; a test that hangs ends here. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

/* ---- faults ---- */

static struct {
	int sendmsg_error;  /* fails with this... */
	unsigned n_failing; /* ...so many times... */
	bool only_with_fds; /* ...and only messages with fds */
	unsigned n_mallocs; /* calls made by the code under test */
	in_port_t
		vsock_port; /* above 0: AF_VSOCK is TCP to this port of 127.0.0.1 (network order) */
	bool is_seqpacket_refused_late; /* socket() knows it, connect() does not */
	int last_vsock_type;
	unsigned busy_port, last_port; /* of our side */
	unsigned n_binds;
} faults;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);

void *__wrap_malloc(size_t size) {
	faults.n_mallocs++;
	return __real_malloc(size);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
	assert_true(flags & MSG_NOSIGNAL);
	assert_true((flags & MSG_DONTWAIT) || (fcntl(fd, F_GETFL) & O_NONBLOCK));
	if (faults.n_failing > 0 && (!faults.only_with_fds || message->msg_controllen > 0)) {
		faults.n_failing--;
		errno = faults.sendmsg_error;
		return -1;
	}
	return __real_sendmsg(fd, message, flags);
}

/* A virtual machine monitor without datagrams, as QEMU is. */
int __wrap_socket(int family, int type, int protocol) {
	int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (family != AF_VSOCK || faults.vsock_port == 0)
		return __real_socket(family, type, protocol);
	assert_true((type & SOCK_CLOEXEC) && (type & SOCK_NONBLOCK));
	faults.last_vsock_type = kind;
	if (kind == SOCK_DGRAM || (kind == SOCK_SEQPACKET && !faults.is_seqpacket_refused_late)) {
		errno = kind == SOCK_DGRAM ? ENODEV : ESOCKTNOSUPPORT;
		return -1;
	}
	return __real_socket(AF_INET, SOCK_STREAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = faults.vsock_port};

	if (address->sa_family != AF_VSOCK || faults.vsock_port == 0)
		return __real_connect(fd, address, size);
	assert_int_equal(size, sizeof(struct sockaddr_vm));
	if (faults.last_vsock_type == SOCK_SEQPACKET) {
		errno = ESOCKTNOSUPPORT;
		return -1;
	}
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return __real_connect(fd, (struct sockaddr *)&in, sizeof(in));
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size) {
	struct sockaddr_vm vm;

	if (address->sa_family != AF_VSOCK || faults.vsock_port == 0)
		return __real_bind(fd, address, size);
	assert_int_equal(size, sizeof(vm));
	memcpy(&vm, address, sizeof(vm));
	assert_true(vm.svm_cid == VMADDR_CID_ANY);
	faults.n_binds++;
	if (vm.svm_port == faults.busy_port || faults.busy_port == VMADDR_PORT_ANY) {
		errno = EADDRINUSE;
		return -1;
	}
	faults.last_port = vm.svm_port;
	return 0;
}

/* ---- a manager ---- */

struct world {
	char folder[32];
	char path[64];
	int manager; /* -1: away */
	struct notifier n;
	unsigned tokens[NOTIFIER_QUEUE_MAX + 16];
	size_t n_tokens;
	size_t n_fds_before;
	int given[8]; /* by on_fd() */
	size_t n_given;
};

static void manager_start(struct world *w) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, w->path);
	w->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(w->manager >= 0);
	assert_int_equal(bind(w->manager, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* As at a re-exec: the socket goes, its file stays until the next one comes. */
static void manager_stop(struct world *w) {
	w->manager = fd_close(w->manager);
}

/* The next message, "" where none waits. An fd in it comes out in *@ret_fd. */
static const char *manager_read(struct world *w, int *ret_fd) {
	static char data[NOTIFY_MSG_MAX + 1];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data) - 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *header;
	ssize_t n;

	if (ret_fd) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		*ret_fd = -1;
	}
	n = recvmsg(w->manager, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	data[n < 0 ? 0 : n] = '\0';
	header = n < 0 || !ret_fd ? NULL : CMSG_FIRSTHDR(&message);
	if (header) {
		assert_int_equal(header->cmsg_type, SCM_RIGHTS);
		memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	}
	return data;
}

static void assert_reads(struct world *w, const char *wanted) {
	assert_string_equal(manager_read(w, NULL), wanted);
}

static int send_text(struct world *w, const char *text, unsigned token) {
	return notifier_send(&w->n, text, strlen(text), NULL, 0, token);
}

/* Sends until the manager's queue is full; returns how many, the last of which waits here. */
static unsigned fill(struct world *w) {
	char text[32];

	for (unsigned i = 0; i < 100000; i++) {
		int r;

		snprintf(text, sizeof(text), "X_FILL=%u", i);
		r = send_text(w, text, 0);
		if (r == 0)
			return i + 1;
		assert_int_equal(r, 1);
	}
	fail_msg("the manager's queue never fills");
	return 0;
}

static void assert_reads_fill(struct world *w, unsigned first, unsigned count) {
	char text[32];

	for (unsigned i = first; i < first + count; i++) {
		notifier_flush(&w->n);
		snprintf(text, sizeof(text), "X_FILL=%u", i);
		assert_reads(w, text);
	}
	notifier_flush(&w->n);
}

static void on_sent(void *context, unsigned token) {
	struct world *w = context;

	assert_true(w->n_tokens < ARRAY_SIZE(w->tokens));
	w->tokens[w->n_tokens++] = token;
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	memset(&faults, 0, sizeof(faults));
	w->n_fds_before = count_fds();
	strcpy(w->folder, "/tmp/sdwd-test-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/notify", w->folder);
	manager_start(w);
	assert_int_equal(notifier_open(&w->n, w->path), 0);
	w->n.on_sent = on_sent;
	w->n.context = w;
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;

	notifier_close(&w->n);
	notifier_close(&w->n);
	manager_stop(w);
	unlink(w->path);
	rmdir(w->folder);
	assert_int_equal(count_fds(), w->n_fds_before);
	free(w);
	return 0;
}

/* ---- addresses ---- */

static void test_unix_addresses_are_exact(void **state) {
	struct sockaddr_storage s;
	struct sockaddr_un *un = (struct sockaddr_un *)&s;
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	char text[120];
	socklen_t size;
	int type = -1;

	assert_int_equal(notify_address_parse("/run/x", &s, &size, &type), 0);
	assert_int_equal(size, head + 7);
	assert_int_equal(type, SOCK_DGRAM);
	assert_string_equal(un->sun_path, "/run/x");

	assert_int_equal(notify_address_parse("@name", &s, &size, &type), 0);
	assert_int_equal(size, head + 5);
	assert_memory_equal(un->sun_path, "\0name", 5);

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[107] = '\0';
	assert_int_equal(notify_address_parse(text, &s, &size, &type), 0);
	assert_int_equal(size, sizeof(struct sockaddr_un));
	text[107] = 'a';
	text[108] = '\0';
	assert_int_equal(notify_address_parse(text, &s, &size, &type), -ENAMETOOLONG);
	text[0] = '@';
	assert_int_equal(notify_address_parse(text, &s, &size, &type), 0);
	assert_int_equal(size, sizeof(struct sockaddr_un));
	text[108] = 'a';
	text[109] = '\0';
	assert_int_equal(notify_address_parse(text, &s, &size, &type), -ENAMETOOLONG);
}

static void test_vsock_addresses(void **state) {
	static const struct {
		const char *text;
		int r, type;
		unsigned cid, port;
	} cases[] = {
		{"vsock:2:1234", 0, 0, 2, 1234},
		{"vsock-stream:1:1", 0, SOCK_STREAM, 1, 1},
		{"vsock-dgram:3:4294967294", 0, SOCK_DGRAM, 3, 4294967294U},
		{"vsock-seqpacket:4294967294:7", 0, SOCK_SEQPACKET, 4294967294U, 7},
		{"vsock:4294967295:7", -EINVAL, 0, 0, 0},
		{"vsock:2:4294967295", -EINVAL, 0, 0, 0},
		{"vsock::7", -EINVAL, 0, 0, 0},
		{"vsock:2:", -EINVAL, 0, 0, 0},
		{"vsock:2", -EINVAL, 0, 0, 0},
		{"vsock:2:7:", -EINVAL, 0, 0, 0},
		{"vsock:-1:7", -EINVAL, 0, 0, 0},
		{"vsock:00000000002:7", -EINVAL, 0, 0, 0},
		{"vsock-raw:2:7", -EINVAL, 0, 0, 0},
		{"relative", -EINVAL, 0, 0, 0},
		{"", -EINVAL, 0, 0, 0},
		{"/", -EINVAL, 0, 0, 0},
		{"@", -EINVAL, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage s;
		struct sockaddr_vm vm;
		socklen_t size;
		int type = -1;

		if (notify_address_parse(cases[i].text, &s, &size, &type) != cases[i].r)
			fail_msg("'%s'", cases[i].text);
		if (cases[i].r < 0)
			continue;
		memcpy(&vm, &s, sizeof(vm));
		assert_int_equal(size, sizeof(vm));
		assert_int_equal(vm.svm_family, AF_VSOCK);
		assert_int_equal(type, cases[i].type);
		assert_int_equal(vm.svm_cid, cases[i].cid);
		assert_int_equal(vm.svm_port, cases[i].port);
	}
}

/* ---- sending ---- */

static void test_without_a_manager_every_call_succeeds(void **state) {
	struct world *w = *state;
	struct notifier n;

	assert_int_equal(notifier_open(&n, NULL), 0);
	n.on_sent = on_sent;
	n.context = w;
	assert_false(notifier_is_open(&n));
	assert_int_equal(notifier_send(&n, "READY=1", 7, NULL, 0, 5), 1);
	assert_int_equal(w->n_tokens, 1);
	assert_int_equal(w->tokens[0], 5);
	assert_int_equal(notifier_ping(&n), 1);
	assert_int_equal(notifier_flush(&n), 0);
	notifier_close(&n);
	assert_int_equal(notifier_open(&n, "nonsense"), -EINVAL);
	assert_false(notifier_is_open(&n));
	notifier_close(&n);
}

static void test_a_message_goes_at_once(void **state) {
	struct world *w = *state;

	assert_true(notifier_is_open(&w->n));
	assert_true(fcntl(w->n.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(send_text(w, "READY=1", 3), 1);
	assert_int_equal(w->n_tokens, 1);
	assert_int_equal(w->tokens[0], 3);
	assert_int_equal(send_text(w, "STATUS=x", 0), 1);
	assert_int_equal(w->n_tokens, 1);
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_reads(w, "READY=1");
	assert_reads(w, "STATUS=x");
	assert_reads(w, "WATCHDOG=1");
	assert_reads(w, "");
}

static void test_abstract_name(void **state) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(address);
	struct world *w = *state;
	struct notifier n;
	char text[32];

	manager_stop(w);
	w->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w->manager, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(w->manager, (struct sockaddr *)&address, &size), 0);
	snprintf(text, sizeof(text), "@%.*s",
		 (int)(size - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
	assert_int_equal(notifier_open(&n, text), 0);
	assert_int_equal(notifier_send(&n, "READY=1", 7, NULL, 0, 0), 1);
	assert_reads(w, "READY=1");
	notifier_close(&n);
}

static void test_limits(void **state) {
	struct world *w = *state;
	char large[NOTIFY_MSG_MAX + 1];
	int fds[NOTIFIER_FDS_MAX + 1] = {0};

	memset(large, 'x', sizeof(large));
	assert_int_equal(notifier_send(&w->n, large, 0, NULL, 0, 0), -EINVAL);
	assert_int_equal(notifier_send(&w->n, large, NOTIFY_MSG_MAX + 1, NULL, 0, 0), -EMSGSIZE);
	assert_int_equal(notifier_send(&w->n, large, 1, fds, ARRAY_SIZE(fds), 0), -EINVAL);
	assert_int_equal(notifier_send(&w->n, large, NOTIFY_MSG_MAX, NULL, 0, 0), 1);
	assert_int_equal(strlen(manager_read(w, NULL)), NOTIFY_MSG_MAX);
	/* As many fds as the kernel takes. */
	assert_int_equal(notifier_send(&w->n, large, 1, fds, NOTIFIER_FDS_MAX, 0), 1);
	assert_reads(w, "x");
	/* A bad fd is an error of this message alone. */
	fds[0] = -1;
	assert_int_equal(notifier_send(&w->n, "A=1", 3, fds, 1, 9), -EBADF);
	assert_int_equal(w->n_tokens, 0);
	assert_int_equal(w->n.n_entries, 0);
}

static void test_full_queue_keeps_the_order(void **state) {
	struct world *w = *state;
	unsigned n = fill(w);

	assert_int_equal(send_text(w, "READY=1", 1), 0);
	assert_int_equal(send_text(w, "STATUS=a", 0), 0);
	assert_int_equal(send_text(w, "WATCHDOG=trigger", 2), 0);
	assert_int_equal(w->n.n_entries, 4);
	assert_int_equal(notifier_flush(&w->n), 4);
	assert_int_equal(w->n_tokens, 0);

	assert_reads_fill(w, 0, n);
	assert_int_equal(notifier_flush(&w->n), 0);
	/* A later one does not pass those before it, and each token is told once, in order. */
	assert_int_equal(send_text(w, "STOPPING=1", 3), 1);
	assert_reads(w, "READY=1");
	assert_reads(w, "STATUS=a");
	assert_reads(w, "WATCHDOG=trigger");
	assert_reads(w, "STOPPING=1");
	assert_reads(w, "");
	assert_int_equal(w->n_tokens, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->tokens[i], i + 1);
	assert_int_equal(w->n.n_lost, 0);
}

static void test_send_flushes_before_it_sends(void **state) {
	struct world *w = *state;
	unsigned n = fill(w);

	assert_int_equal(send_text(w, "A=1", 1), 0);
	for (unsigned i = 0; i + 1 < n; i++)
		manager_read(w, NULL);
	assert_int_equal(send_text(w, "B=1", 2), 1);
	manager_read(w, NULL);
	assert_reads(w, "A=1");
	assert_reads(w, "B=1");
	assert_int_equal(w->n_tokens, 2);
	assert_int_equal(w->tokens[0], 1);
	assert_int_equal(w->tokens[1], 2);
}

static void test_manager_goes_away_and_comes_back(void **state) {
	struct world *w = *state;

	/* Its file stays (ECONNREFUSED), then that is gone too (ENOENT), then a new one is there.
	 */
	manager_stop(w);
	assert_int_equal(send_text(w, "A=1", 1), 0);
	assert_int_equal(notifier_ping(&w->n), 0);
	unlink(w->path);
	assert_int_equal(send_text(w, "B=1", 2), 0);
	assert_int_equal(notifier_ping(&w->n), 0);
	assert_int_equal(notifier_flush(&w->n), 2);
	manager_start(w);
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_reads(w, "A=1");
	assert_reads(w, "B=1");
	assert_reads(w, "");
	assert_int_equal(w->n_tokens, 2);
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_reads(w, "WATCHDOG=1");
}

static void test_waiting_fds_arrive_and_are_closed(void **state) {
	struct world *w = *state;
	unsigned n = fill(w);
	size_t n_before;

	for (unsigned i = 0; i < 3; i++) {
		char text[] = "FDNAME=0\nFDSTORE=1";
		int pipe_fds[2];

		text[7] = (char)('0' + i);
		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		assert_int_equal(write(pipe_fds[1], &text[7], 1), 1);
		close(pipe_fds[1]);
		assert_int_equal(notifier_send(&w->n, text, strlen(text), pipe_fds, 1, 0), 0);
		/* The caller's own is its own. */
		close(pipe_fds[0]);
	}
	n_before = count_fds();
	assert_reads_fill(w, 0, n);
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_int_equal(count_fds(), n_before - 3);
	for (unsigned i = 0; i < 3; i++) {
		const char *text;
		char byte;
		int fd;

		text = manager_read(w, &fd);
		assert_int_equal(text[7], '0' + (int)i);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, &byte, 1), 1);
		assert_int_equal(byte, '0' + (int)i);
		close(fd);
	}
}

static void test_copies_are_not_inherited(void **state) {
	struct world *w = *state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy;

	manager_stop(w);
	assert_int_equal(notifier_send(&w->n, "FDSTORE=1", 9, &fd, 1, 0), 0);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the number behind the copy */
	for (int i = 3; i < copy; i++)
		assert_true(fcntl(i, F_GETFD) < 0 || i < fd || (fcntl(i, F_GETFD) & FD_CLOEXEC));
	close(copy);
	close(fd);
	unlink(w->path);
	manager_start(w);
	assert_int_equal(notifier_flush(&w->n), 0);
}

static void on_fd(void *context, int fd) {
	struct world *w = context;

	w->given[w->n_given++] = fd;
}

static void test_copies_are_given_to_who_wants_them(void **state) {
	struct world *w = *state;
	int fds[] = {STDIN_FILENO, STDOUT_FILENO};

	w->n.on_fd = on_fd;
	manager_stop(w);
	assert_int_equal(notifier_send(&w->n, "FDSTORE=1", 9, fds, 2, 0), 0);
	assert_int_equal(notifier_send(&w->n, "FDSTORE=1", 9, fds, 1, 7), 0);
	unlink(w->path);
	manager_start(w);
	notifier_drop(&w->n, 7);
	assert_int_equal(w->n_given, 1);
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_int_equal(w->n_given, 3);
	for (size_t i = 0; i < w->n_given; i++) {
		assert_true(w->given[i] > STDERR_FILENO);
		assert_int_equal(fd_close(w->given[i]), -1);
	}
}

/* To close one may take long; the end of the process does not. */
static void test_copies_that_wait_are_left_to_the_end(void **state) {
	struct world *w = *state;
	int fd = STDIN_FILENO, copy;

	w->n.on_fd = on_fd;
	manager_stop(w);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	fd_close(copy);
	assert_int_equal(notifier_send(&w->n, "FDSTORE=1", 9, &fd, 1, 0), 0);
	notifier_close(&w->n);
	assert_int_equal(w->n_given, 0);
	assert_int_equal(close(copy), 0);
}

/* ---- pings ---- */

static void test_ping_is_never_queued(void **state) {
	struct world *w = *state;
	unsigned n = fill(w);

	assert_int_equal(notifier_ping(&w->n), 0);
	assert_int_equal(notifier_ping(&w->n), 0);
	assert_int_equal(w->n.n_entries, 1);
	assert_reads_fill(w, 0, n);
	assert_reads(w, "");
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_reads(w, "WATCHDOG=1");
	assert_reads(w, "");
}

static void test_ping_sends_first_a_token_that_waits(void **state) {
	struct world *w = *state;

	manager_stop(w);
	unlink(w->path);
	assert_int_equal(send_text(w, "READY=1", 1), 0);
	manager_start(w);
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_reads(w, "READY=1");
	assert_reads(w, "WATCHDOG=1");
	assert_int_equal(w->n_tokens, 1);
}

static void test_ping_takes_the_room_before_what_waits(void **state) {
	struct world *w = *state;
	fill(w);
	assert_int_equal(send_text(w, "STATUS=x", 0), 0);
	assert_int_equal(w->n.n_entries, 2);
	/* The manager reads one message: there is room for one. */
	assert_reads(w, "X_FILL=0");
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_int_equal(w->n.n_entries, 2);
}

static void test_ping_overtakes_no_token(void **state) {
	struct world *w = *state;
	int fd = STDIN_FILENO;

	/* Messages with fds wait while others would go. */
	faults.sendmsg_error = ETOOMANYREFS;
	faults.n_failing = UINT32_MAX;
	faults.only_with_fds = true;
	assert_int_equal(notifier_send(&w->n, "FDSTORE=1", 9, &fd, 1, 0), 0);
	assert_int_equal(send_text(w, "READY=1", 1), 0);
	assert_int_equal(notifier_ping(&w->n), 0);
	assert_reads(w, "");
	notifier_drop(&w->n, 1);
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_reads(w, "WATCHDOG=1");
	assert_int_equal(w->n.n_entries, 1);
	faults.n_failing = 0;
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_reads(w, "FDSTORE=1");
	assert_int_equal(w->n_tokens, 0);
}

static void test_nothing_is_allocated_on_the_way_of_a_ping(void **state) {
	struct world *w = *state;

	faults.n_mallocs = 0;
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_int_equal(send_text(w, "READY=1", 1), 1);
	assert_int_equal(faults.n_mallocs, 0);
	fill(w);
	assert_int_equal(faults.n_mallocs, 1);
	assert_int_equal(notifier_ping(&w->n), 0);
	assert_int_equal(faults.n_mallocs, 1);
}

/* ---- errors ---- */

static void test_errors_that_pass(void **state) {
	static const int errors[] = {EAGAIN, ECONNREFUSED, ENOENT, ENOBUFS, ENOMEM, ETOOMANYREFS};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		faults.sendmsg_error = errors[i];
		faults.n_failing = 3;
		assert_int_equal(send_text(w, "A=1", 0), 0);
		assert_int_equal(notifier_ping(&w->n), 0);
		assert_int_equal(notifier_flush(&w->n), 1);
		assert_int_equal(notifier_flush(&w->n), 0);
		assert_reads(w, "A=1");
	}
	assert_int_equal(w->n.n_lost, 0);

	faults.sendmsg_error = EINTR;
	faults.n_failing = 2;
	assert_int_equal(send_text(w, "A=1", 0), 1);
	assert_reads(w, "A=1");
}

static void test_errors_that_stay(void **state) {
	struct world *w = *state;

	faults.sendmsg_error = EACCES;
	faults.n_failing = 2;
	assert_int_equal(send_text(w, "A=1", 0), -EACCES);
	assert_int_equal(notifier_ping(&w->n), -EACCES);
	assert_int_equal(w->n.n_lost, 0);

	faults.sendmsg_error = EAGAIN;
	faults.n_failing = 2;
	assert_int_equal(send_text(w, "A=1", 0), 0);
	assert_int_equal(send_text(w, "B=1", 2), 0);
	/* The first one is given up; those behind it go. */
	faults.sendmsg_error = EACCES;
	faults.n_failing = 1;
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_reads(w, "B=1");
	assert_int_equal(w->n.n_lost, 1);
	assert_int_equal(w->n.lost_error, EACCES);
	assert_int_equal(w->n_tokens, 1);
	assert_int_equal(w->tokens[0], 2);
}

static void test_no_error_is_final_for_what_has_a_token(void **state) {
	static const int errors[] = {EACCES, EPERM, EPIPE, EPROTOTYPE};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		faults.sendmsg_error = errors[i];
		faults.n_failing = 3;
		assert_int_equal(send_text(w, "READY=1", 1), 0);
		assert_int_equal(w->n.error, errors[i]);
		assert_int_equal(notifier_ping(&w->n), 0);
		assert_int_equal(notifier_flush(&w->n), 1);
		assert_int_equal(notifier_flush(&w->n), 0);
		assert_reads(w, "READY=1");
		assert_int_equal(w->n.error, 0);
	}
	assert_int_equal(w->n.n_lost, 0);
	assert_int_equal(w->n_tokens, ARRAY_SIZE(errors));
}

static void test_queue_is_bounded(void **state) {
	struct world *w = *state;
	int fd = STDIN_FILENO;
	size_t n_before;
	char text[32];

	manager_stop(w);
	assert_int_equal(send_text(w, "READY=1\nSTATUS=not alone", 0), 0);
	assert_int_equal(notifier_send(&w->n, "STATUS=with fd", 14, &fd, 1, 0), 0);
	assert_int_equal(send_text(w, "STATUS=with token", 1), 0);
	assert_int_equal(send_text(w, "STATUS=first", 0), 0);
	assert_int_equal(send_text(w, "STATUS=second", 0), 0);
	for (unsigned i = 5; i < NOTIFIER_QUEUE_MAX; i++)
		assert_int_equal(send_text(w, "X=1", 0), 0);
	n_before = count_fds();

	assert_int_equal(send_text(w, "Y=1", 0), 0);
	assert_int_equal(w->n.n_lost, 1);
	assert_int_equal(send_text(w, "Y=2", 0), 0);
	assert_int_equal(w->n.n_lost, 2);
	assert_int_equal(notifier_send(&w->n, "Y=3", 3, &fd, 1, 7), -ENOBUFS);
	assert_int_equal(send_text(w, "STATUS=third", 0), -ENOBUFS);
	assert_int_equal(w->n.n_lost, 2);
	assert_int_equal(w->n.n_entries, NOTIFIER_QUEUE_MAX);
	assert_int_equal(count_fds(), n_before);

	unlink(w->path);
	manager_start(w);
	assert_int_not_equal(notifier_flush(&w->n), NOTIFIER_QUEUE_MAX);
	for (unsigned i = 0; i < NOTIFIER_QUEUE_MAX; i++, notifier_flush(&w->n)) {
		if (i >= 3)
			snprintf(text, sizeof(text), i < NOTIFIER_QUEUE_MAX - 2 ? "X=1" : "Y=%u",
				 i + 3 - NOTIFIER_QUEUE_MAX);
		assert_reads(w, i == 0   ? "READY=1\nSTATUS=not alone"
				: i == 1 ? "STATUS=with fd"
				: i == 2 ? "STATUS=with token"
					 : text);
	}
	assert_reads(w, "");
}

static void test_drop_takes_out_only_its_token(void **state) {
	struct world *w = *state;

	manager_stop(w);
	send_text(w, "A=1", 7);
	send_text(w, "B=1", 8);
	send_text(w, "C=1", 7);
	send_text(w, "D=1", 0);
	send_text(w, "E=1", 7);
	notifier_drop(&w->n, 7);
	assert_int_equal(w->n.n_entries, 2);
	assert_int_equal(send_text(w, "F=1", 9), 0);
	unlink(w->path);
	manager_start(w);
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_reads(w, "B=1");
	assert_reads(w, "D=1");
	assert_reads(w, "F=1");
	assert_reads(w, "");
	assert_int_equal(w->n_tokens, 2);
	assert_int_equal(w->n.n_lost, 0);
}

static void ping_when_sent(void *context, unsigned token) {
	struct world *w = context;

	on_sent(context, token);
	assert_int_equal(notifier_ping(&w->n), 1);
	assert_int_equal(send_text(w, "STATUS=from inside", 0), 1);
}

static void test_on_sent_may_send(void **state) {
	struct world *w = *state;

	w->n.on_sent = ping_when_sent;
	manager_stop(w);
	assert_int_equal(send_text(w, "READY=1", 1), 0);
	unlink(w->path);
	manager_start(w);
	assert_int_equal(notifier_flush(&w->n), 0);
	assert_reads(w, "READY=1");
	assert_reads(w, "WATCHDOG=1");
	assert_reads(w, "STATUS=from inside");
	assert_reads(w, "");
}

/* ---- vsock ---- */

static int listen_tcp(in_port_t *ret_port) {
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t size = sizeof(in);
	int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	assert_int_equal(listen(fd, 16), 0);
	*ret_port = in.sin_port;
	return fd;
}

static void flush_all(struct notifier *n) {
	usec_t end = usec_now() + PATIENCE_USEC;

	while (notifier_flush(n) > 0) {
		assert_true(usec_now() < end);
		usleep(1000);
	}
}

static void ping_until_sent(struct notifier *n) {
	usec_t end = usec_now() + PATIENCE_USEC;
	int r;

	while ((r = notifier_ping(n)) == 0) {
		assert_true(usec_now() < end);
		usleep(1000);
	}
	assert_int_equal(r, 1);
}

/* One connection is one message, to its end. */
static void assert_connection_reads(int listener, const char *wanted) {
	char data[256];
	ptrdiff_t n;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	n = fd_read_all(fd, data, sizeof(data) - 1);
	assert_true(n >= 0);
	data[n] = '\0';
	assert_string_equal(data, wanted);
	close(fd);
}

static void vsock_roundtrip(struct world *w, const char *address) {
	struct notifier n;
	int listener = listen_tcp(&faults.vsock_port), fd = STDIN_FILENO;

	assert_int_equal(notifier_open(&n, address), 0);
	n.on_sent = on_sent;
	n.context = w;
	assert_int_equal(notifier_send(&n, "FDSTORE=1", 9, &fd, 1, 0), -EOPNOTSUPP);
	assert_int_equal(notifier_send(&n, "READY=1", 7, NULL, 0, 1), 0);
	assert_true(notifier_send(&n, "STATUS=x", 8, NULL, 0, 2) >= 0);
	flush_all(&n);
	ping_until_sent(&n);
	assert_int_equal(w->n_tokens, 2);
	assert_int_equal(w->tokens[0], 1);
	assert_int_equal(w->tokens[1], 2);
	assert_connection_reads(listener, "READY=1");
	assert_connection_reads(listener, "STATUS=x");
	assert_connection_reads(listener, "WATCHDOG=1");
	close(listener);

	/* Nobody listens: it waits. */
	assert_int_equal(notifier_send(&n, "A=1", 3, NULL, 0, 0), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(notifier_flush(&n), 1);
		usleep(1000);
	}
	listener = listen_tcp(&faults.vsock_port);
	flush_all(&n);
	assert_connection_reads(listener, "A=1");
	assert_int_equal(n.n_lost, 0);
	close(listener);
	notifier_close(&n);
	w->n_tokens = 0;
}

static void test_vsock_finds_a_type(void **state) {
	struct world *w = *state;

	vsock_roundtrip(w, "vsock:2:77");
	assert_int_equal(faults.last_vsock_type, SOCK_STREAM);
	faults.is_seqpacket_refused_late = true;
	vsock_roundtrip(w, "vsock:2:77");
	assert_int_equal(faults.last_vsock_type, SOCK_STREAM);
	vsock_roundtrip(w, "vsock-stream:2:77");
}

static void test_vsock_keeps_a_type_that_was_named(void **state) {
	struct notifier n;

	faults.vsock_port = 1;
	assert_int_equal(notifier_open(&n, "vsock-dgram:2:77"), 0);
	assert_int_equal(notifier_send(&n, "A=1", 3, NULL, 0, 0), -ENODEV);
	assert_int_equal(notifier_ping(&n), -ENODEV);
	notifier_close(&n);
	assert_int_equal(notifier_open(&n, "vsock-seqpacket:2:77"), 0);
	assert_int_equal(notifier_send(&n, "A=1", 3, NULL, 0, 0), -ESOCKTNOSUPPORT);
	notifier_close(&n);
}

/* A late end of the last connection would end the next one from the same port. */
static void test_vsock_each_connection_has_a_port_of_its_own(void **state) {
	struct notifier n;
	int listener = listen_tcp(&faults.vsock_port);

	assert_int_equal(notifier_open(&n, "vsock-stream:2:77"), 0);
	for (unsigned i = 0; i < 600; i++) {
		faults.last_port = 0;
		ping_until_sent(&n);
		assert_int_equal(faults.last_port, 1023 - i % 512);
		assert_connection_reads(listener, "WATCHDOG=1");
	}
	/* The next one but one, where one is in use; the kernel's choice, where all are. */
	faults.busy_port = 1023 - 600 % 512;
	ping_until_sent(&n);
	assert_int_equal(faults.last_port, faults.busy_port - 1);
	assert_connection_reads(listener, "WATCHDOG=1");
	faults.busy_port = VMADDR_PORT_ANY;
	faults.n_binds = 0;
	ping_until_sent(&n);
	assert_int_equal(faults.n_binds, 512);
	assert_connection_reads(listener, "WATCHDOG=1");
	notifier_close(&n);
	close(listener);
}

/* Whether a plain client reaches @port of this machine over AF_VSOCK. */
static bool has_vsock_loopback(unsigned port) {
	struct sockaddr_vm own = {.svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_LOCAL,
				  .svm_port = port};
	struct timeval limit = {.tv_usec = 300000};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_connected;

	assert_true(fd >= 0);
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof(limit));
	is_connected = connect(fd, (struct sockaddr *)&own, sizeof(own)) == 0;
	close(fd);
	return is_connected;
}

/* What this kernel really does: the message arrives, or the call says at once that it cannot. */
static void test_vsock_of_this_kernel(void **state) {
	struct sockaddr_vm any = {.svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = VMADDR_PORT_ANY};
	socklen_t size = sizeof(any);
	struct notifier n;
	usec_t start;
	char text[48];
	int listener, r;

	listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0) {
		int error = errno;

		assert_true(error == EAFNOSUPPORT || error == ENODEV || error == EPERM ||
			    error == EACCES);
		assert_int_equal(notifier_open(&n, "vsock-stream:1:77"), 0);
		assert_int_equal(notifier_send(&n, "A=1", 3, NULL, 0, 0), -error);
		notifier_close(&n);
		return;
	}
	assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &size), 0);
	snprintf(text, sizeof(text), "vsock-stream:%u:%u", VMADDR_CID_LOCAL, any.svm_port);
	assert_int_equal(notifier_open(&n, text), 0);
	start = usec_now();
	r = notifier_send(&n, "READY=1", 7, NULL, 0, 0);
	assert_true(usec_now() - start < USEC_PER_SEC);
	if (has_vsock_loopback(any.svm_port)) {
		assert_true(r >= 0);
		flush_all(&n);
		/* The plain client's connection and ours, in whichever order. */
		for (int i = 0; i < 2; i++) {
			char data[16] = "";
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

			assert_true(fd >= 0);
			if (fd_read_all(fd, data, sizeof(data) - 1) > 0)
				assert_string_equal(data, "READY=1");
			close(fd);
		}
	} else {
		assert_true(r <= 0);
		start = usec_now();
		assert_true(notifier_ping(&n) <= 0);
		assert_true(usec_now() - start < USEC_PER_SEC);
	}
	notifier_close(&n);
	close(listener);
}

/* ---- the environment ---- */

static void test_watchdog_usec(void **state) {
	char pid[16];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_true(notifier_watchdog_usec() == 0);
	setenv("WATCHDOG_USEC", "20000000", 1);
	assert_true(notifier_watchdog_usec() == 20000000);
	assert_string_equal(getenv("WATCHDOG_USEC"), "20000000");
	setenv("WATCHDOG_PID", "1", 1);
	assert_true(notifier_watchdog_usec() == 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_true(notifier_watchdog_usec() == 20000000);
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	assert_true(notifier_watchdog_usec() == 0);
	setenv("WATCHDOG_USEC", "0", 1);
	assert_true(notifier_watchdog_usec() == 0);
	setenv("WATCHDOG_USEC", "x", 1);
	assert_true(notifier_watchdog_usec() == 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix_addresses_are_exact),
		cmocka_unit_test(test_vsock_addresses),
		IN_WORLD(test_without_a_manager_every_call_succeeds),
		IN_WORLD(test_a_message_goes_at_once),
		IN_WORLD(test_abstract_name),
		IN_WORLD(test_limits),
		IN_WORLD(test_full_queue_keeps_the_order),
		IN_WORLD(test_send_flushes_before_it_sends),
		IN_WORLD(test_manager_goes_away_and_comes_back),
		IN_WORLD(test_waiting_fds_arrive_and_are_closed),
		IN_WORLD(test_copies_are_not_inherited),
		IN_WORLD(test_copies_are_given_to_who_wants_them),
		IN_WORLD(test_copies_that_wait_are_left_to_the_end),
		IN_WORLD(test_ping_is_never_queued),
		IN_WORLD(test_ping_sends_first_a_token_that_waits),
		IN_WORLD(test_ping_takes_the_room_before_what_waits),
		IN_WORLD(test_ping_overtakes_no_token),
		IN_WORLD(test_nothing_is_allocated_on_the_way_of_a_ping),
		IN_WORLD(test_errors_that_pass),
		IN_WORLD(test_errors_that_stay),
		IN_WORLD(test_no_error_is_final_for_what_has_a_token),
		IN_WORLD(test_queue_is_bounded),
		IN_WORLD(test_drop_takes_out_only_its_token),
		IN_WORLD(test_on_sent_may_send),
		IN_WORLD(test_vsock_finds_a_type),
		IN_WORLD(test_vsock_keeps_a_type_that_was_named),
		IN_WORLD(test_vsock_each_connection_has_a_port_of_its_own),
		IN_WORLD(test_vsock_of_this_kernel),
		cmocka_unit_test(test_watchdog_usec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
