/* SPDX-License-Identifier: MIT */
/*
 * The domain of a program is decided when it is executed: by the domain of who executes it and the
 * type of its file (a type_transition of the policy), or by what who executes it wrote to
 * /proc/self/attr/exec before.  A command that sdwd executes is judged by sdwd's domain, one that
 * the manager executes by the manager's.  So the policy is asked what it would have been: for the
 * domain that executed sdwd, which the kernel keeps (/proc/self/attr/prev, proc(5)), and the file
 * of the command.  That is the manager's also behind an env(1) or a shell in ExecStart=, which
 * would have executed the command as they executed sdwd.
 *
 * Where the same question about sdwd's own file does not give the domain that sdwd is in, somebody
 * named it (SELinuxContext=), or NoNewPrivileges= held the change back: the command would be in the
 * same one.
 *
 * The question is a write to /sys/fs/selinux/create of two contexts and the number of a class; the
 * answer is read from the same fd.  A domain that was asked for is granted or exec fails (EACCES;
 * EPERM under NoNewPrivileges=); one that comes from the policy alone is, under NoNewPrivileges=,
 * silently not given.  libselinux would bring no more than these files, and one library into each
 * process.
 */
#include "sys/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#define SELINUX_FS "/sys/fs/selinux"
/* Two contexts, a number, and what stands between. */
#define QUESTION_MAX (2 * SELINUX_CONTEXT_MAX + 16)
/* confstr(3), _CS_PATH: where execvp(3) looks without PATH. */
#define PATH_DEFAULT "/bin:/usr/bin"

/* What the kernel gives ends in a NUL, in a line end, or in neither. */
static int terminate(char *text, ptrdiff_t length, size_t size) {
	if (length < 0)
		return (int)length;
	if ((size_t)length >= size)
		return -ENAMETOOLONG;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text[0] == '\0' ? -ENODATA : 0;
}

static int read_file(const char *path, char *buffer, size_t size) {
	cleanup(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return terminate(buffer, fd_read_all(fd, buffer, size), size);
}

static int read_label(const char *path, char *buffer, size_t size) {
	ssize_t n = getxattr(path, "security.selinux", buffer, size);

	return terminate(buffer, n < 0 ? -errno : n, size);
}

/* The domain that the policy gives to the file labelled @label when @domain executes it. */
static int compute(const char *domain, const char *label, const char *class, char *ret_domain) {
	cleanup(fd_closep) int fd = -1;
	char question[QUESTION_MAX];
	struct text t = TEXT_OVER(question);
	int r;

	text_addf(&t, "%s %s %s", domain, label, class);
	if (t.is_cut)
		return -ENAMETOOLONG;
	fd = open(SELINUX_FS "/create", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, question, t.length);
	if (r < 0)
		return r;
	return terminate(ret_domain, fd_read_all(fd, ret_domain, SELINUX_CONTEXT_MAX),
			 SELINUX_CONTEXT_MAX);
}

static bool is_program(const char *path) {
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* As execvp(3): a name with a slash is a path, any other is looked for along PATH. */
static int find_file(const char *command, char *path, size_t size) {
	const char *folder = getenv("PATH");

	if (strchr(command, '/'))
		folder = "";
	else if (!folder)
		folder = PATH_DEFAULT;
	for (;; folder++) {
		struct text t = {.data = path, .size = size};
		size_t length = strcspn(folder, ":");

		text_add_bytes(&t, folder, length);
		text_add(&t, length > 0 ? "/" : "");
		text_add(&t, command);
		if (!t.is_cut && is_program(path))
			return 0;
		folder += length;
		if (*folder == '\0')
			return -ENOENT;
	}
}

/* @own: our domain, and in @wanted the one that executed us, to be replaced. */
static int find_domains(struct selinux *x, const char *class) {
	char label[SELINUX_CONTEXT_MAX], by_file[SELINUX_CONTEXT_MAX], prev[SELINUX_CONTEXT_MAX];
	int r;

	r = read_file("/proc/self/attr/prev", prev, sizeof(prev));
	if (r == 0)
		r = read_label("/proc/self/exe", label, sizeof(label));
	if (r == 0)
		r = compute(prev, label, class, by_file);
	if (r < 0)
		return r;

	r = read_label(x->file, label, sizeof(label));
	if (r == 0)
		r = compute(x->own, label, class, x->usual);
	if (r < 0)
		return r;
	if (strcmp(by_file, x->own) == 0)
		return compute(prev, label, class, x->wanted);
	memcpy(x->wanted, x->own, sizeof(x->wanted));
	return 0;
}

int selinux_init(struct selinux *x, const char *command) {
	char class[16];
	int r;

	if (access(SELINUX_FS "/enforce", F_OK) < 0)
		return 0;
	r = read_file("/proc/self/attr/current", x->own, sizeof(x->own));
	/* No policy is loaded. */
	if (r == 0 && strcmp(x->own, "kernel") == 0)
		return 0;
	if (r == 0)
		r = read_file(SELINUX_FS "/class/process/index", class, sizeof(class));
	if (r == 0)
		r = find_file(command, x->file, sizeof(x->file));
	if (r == 0)
		r = find_domains(x, class);
	return r < 0 ? r : 1;
}

bool selinux_must_ask(const struct selinux *x) {
	return strcmp(x->wanted, x->usual) != 0;
}

int selinux_ask(const char *context) {
	cleanup(fd_closep) int fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* At once: the kernel takes each write as a whole context. */
	n = context ? write(fd, context, strlen(context) + 1) : write(fd, "\n", 1);
	return n < 0 ? -errno : 0;
}

bool selinux_is_elsewhere(const struct selinux *x, pid_t pid, int refused, char *ret_context) {
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/attr/current", (int)pid);
	r = read_file(path, ret_context, SELINUX_CONTEXT_MAX);
	if (refused == 0)
		/* What was asked for came with exec.  From the policy alone: only where it stayed
		 * in our domain; in any other it may be by an exec of its own since. */
		return r == 0 && !selinux_must_ask(x) && strcmp(ret_context, x->own) == 0 &&
		       strcmp(x->wanted, x->own) != 0;
	if (r < 0)
		memcpy(ret_context, x->usual, sizeof(x->usual));
	return strcmp(ret_context, x->wanted) != 0;
}
