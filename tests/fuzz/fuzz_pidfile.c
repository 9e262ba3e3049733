/* SPDX-License-Identifier: MIT */
/*
 * A daemon's pidfile: the first byte says what kind of file stands there, the rest is what is in
 * it. The answer is that of a reader that takes the first line apart in another way, and nothing
 * but a regular file is ever read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/pidfile.h"

#include "fuzz.h"

/* Of a file sdwd reads so much; a first line that is longer is none. */
#define READ_MAX 4096

enum kind { REGULAR, WORLD_WRITABLE, LINK, FIFO, FOLDER, SOCKET, MISSING, BEHIND_A_FILE, KIND_MAX };

static char folder[64], path[80], other[80];

static void remove_all(void) {
	(void)(unlink(path) < 0 && rmdir(path) < 0);
	(void)unlink(other);
	(void)rmdir(folder);
}

static void make_folder(void) {
	if (folder[0] != '\0')
		return;
	snprintf(folder, sizeof(folder), "/dev/shm/fuzz-pidfile-XXXXXX");
	must(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	must(atexit(remove_all) == 0);
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && fd_write_all(fd, data, size) == 0);
	close(fd);
}

static void make_socket(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
}

static void make(enum kind kind, const uint8_t *data, size_t size) {
	switch (kind) {
	case REGULAR:
	case WORLD_WRITABLE:
		write_file(path, data, size);
		must(chmod(path, kind == REGULAR ? 0644 : 0666) == 0);
		break;
	case LINK:
		write_file(other, data, size);
		must(symlink(other, path) == 0);
		break;
	case FIFO:
		must(mkfifo(path, 0600) == 0);
		break;
	case FOLDER:
		must(mkdir(path, 0700) == 0);
		break;
	case SOCKET:
		make_socket();
		break;
	default:
		break;
	}
}

static int pid_max(void) {
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	int number = 0;

	must(f && fscanf(f, "%d", &number) == 1);
	fclose(f);
	return number;
}

/* The first line, blanks cut off, is a decimal number and nothing else. */
static void check_content(const struct pidfile_reading *r, const uint8_t *data, size_t size) {
	static int most;
	const uint8_t *end = size > 0 ? memchr(data, '\n', MIN(size, (size_t)READ_MAX)) : NULL;
	size_t begin = 0, length = end ? (size_t)(end - data) : size, n_digits = 0, first;
	unsigned long long number = 0;
	bool is_number = true;

	if (most == 0)
		most = pid_max();
	if (!end && size >= READ_MAX) {
		must(r->problem == PIDFILE_MALFORMED);
		return;
	}
	if (memchr(data, '\0', length)) {
		must(r->problem == PIDFILE_MALFORMED);
		return;
	}
	while (begin < length && (data[begin] == ' ' || data[begin] == '\t'))
		begin++;
	while (length > begin && strchr(" \t\r", data[length - 1]))
		length--;
	if (begin == length) {
		must(r->problem == PIDFILE_EMPTY);
		return;
	}
	for (first = begin; first + 1 < length && data[first] == '0'; first++)
		;
	for (size_t i = begin; i < length; i++)
		is_number = is_number && data[i] >= '0' && data[i] <= '9';
	n_digits = length - first;
	for (size_t i = first; is_number && n_digits <= 9 && i < length; i++)
		number = number * 10 + (unsigned)(data[i] - '0');
	if (!is_number)
		must(r->problem == PIDFILE_MALFORMED);
	else if (n_digits > 9 || number < 2 || number > (unsigned)most ||
		 number == (unsigned)getpid())
		must(r->problem == PIDFILE_RANGE);
	else
		must(r->problem == PIDFILE_OK && (unsigned long long)r->pid == number);
}

static void check(enum kind kind, const struct pidfile_reading *r, const uint8_t *data,
		  size_t size) {
	must(r->problem < PIDFILE_PROBLEM_MAX);
	fuzz_check_line(pidfile_problem_str(r->problem));
	must((r->problem == PIDFILE_OK) == (r->pid != 0));
	must((r->error != 0) ==
	     (r->problem == PIDFILE_MISSING || r->problem == PIDFILE_UNREADABLE));
	switch (kind) {
	case REGULAR:
	case WORLD_WRITABLE:
		check_content(r, data, size);
		must(r->is_world_writable == (kind == WORLD_WRITABLE));
		break;
	case LINK:
		must(r->problem == PIDFILE_UNREADABLE && r->error == ELOOP);
		break;
	case SOCKET:
		must(r->problem == PIDFILE_UNREADABLE && r->error == ENXIO);
		break;
	case FIFO:
	case FOLDER:
		must(r->problem == PIDFILE_NOT_REGULAR);
		break;
	case MISSING:
		must(r->problem == PIDFILE_MISSING);
		break;
	default:
		must(r->problem == PIDFILE_UNREADABLE && r->error == ENOTDIR);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct pidfile_reading r;
	char behind[96];
	enum kind kind;

	if (size < 1)
		return 0;
	/* What is read of is what most inputs are for. */
	kind = data[0] < KIND_MAX ? (enum kind)data[0] : REGULAR;
	data++, size--;
	make_folder();
	make(kind == BEHIND_A_FILE ? REGULAR : kind, data, size);
	snprintf(behind, sizeof(behind), "%s%s", path, kind == BEHIND_A_FILE ? "/pid" : "");
	memset(&r, 0xa5, sizeof(r));
	pidfile_read(behind, &r);
	check(kind, &r, data, size);
	must(unlink(path) == 0 || rmdir(path) == 0 || kind == MISSING);
	return 0;
}
