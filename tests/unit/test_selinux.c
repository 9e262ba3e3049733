/* SPDX-License-Identifier: MIT */
/* Against a kernel of our own, made by --wrap: its files, its policy, and what it refuses. */
#include "child_fixture.h"

#include <sys/mman.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "sys/selinux.h"

/* ---- the kernel ---- */

struct rule {
	const char *domain, *label, *result;
};

/* The manager's rules, and one of another domain's. */
static const struct rule rules[] = {
	{"manager", "sdwd_exec", "sdwd"},
	{"manager", "app_exec", "app"},
	{"other", "app_exec", "app"},
};

/* Shared with the forked child, so that the test sees what that one asked for. */
static struct {
	const char *prev, *current;
	const char *child;       /* /proc/PID/attr/current of any other; NULL: ESRCH */
	const char *ending;      /* behind each context; NULL: none */
	const char *broken_path; /* cannot be opened, or has no label: ... */
	int broken_error;        /* ... this */
	int ask_error, exec_error;
	bool is_off;
	bool sdwd_has_rule; /* sdwd's own policy moves the app, nothing has to be asked */
	unsigned n_accesses, n_opens;
	char asked[SELINUX_CONTEXT_MAX];      /* by the process, its next exec not yet made */
	char asked_ever[SELINUX_CONTEXT_MAX]; /* the last one that was not empty */
	char executed_in[SELINUX_CONTEXT_MAX];
} * kernel;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __real_execve(const char *path, char *const argv[], char *const env[]);
int __wrap_execve(const char *path, char *const argv[], char *const env[]);
ssize_t __wrap_getxattr(const char *path, const char *name, void *value, size_t size);

static bool is_broken(const char *path) {
	if (!kernel->broken_path || strcmp(path, kernel->broken_path) != 0)
		return false;
	errno = kernel->broken_error;
	return true;
}

static int file_with(const char *name, const char *text) {
	int fd = memfd_create(name, MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	if (kernel->ending)
		CHECK(pwrite(fd, kernel->ending, strlen(kernel->ending) + 1, (off_t)strlen(text)) >
		      0);
	return fd;
}

/* What /proc/self/fd/@fd is, "memfd:NAME". */
static bool is_file(int fd, const char *name) {
	char link[64], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	target[MAX(n, 0)] = '\0';
	return strncmp(target, "/memfd:", 7) == 0 && strncmp(target + 7, name, strlen(name)) == 0;
}

int __wrap_open(const char *path, int flags, ...) {
	pid_t pid;

	if (strncmp(path, "/sys/fs/selinux/", 16) != 0 && !strstr(path, "/attr/"))
		return __real_open(path, flags);
	CHECK(flags & O_CLOEXEC);
	kernel->n_opens++;
	if (is_broken(path))
		return -1;
	if (strcmp(path, "/sys/fs/selinux/class/process/index") == 0)
		return file_with("index", "2");
	if (strcmp(path, "/sys/fs/selinux/create") == 0)
		return memfd_create("create", MFD_CLOEXEC);
	if (strcmp(path, "/proc/self/attr/exec") == 0)
		return memfd_create("exec", MFD_CLOEXEC);
	if (strcmp(path, "/proc/self/attr/prev") == 0)
		return file_with("prev", kernel->prev);
	if (strcmp(path, "/proc/self/attr/current") == 0)
		return file_with("current", kernel->current);
	if (sscanf(path, "/proc/%d/attr/current", &pid) == 1 && kernel->child)
		return file_with("child", kernel->child);
	errno = ESRCH;
	return -1;
}

int __wrap_access(const char *path, int mode) {
	if (strncmp(path, "/sys/fs/selinux/", 16) != 0)
		return __real_access(path, mode);
	kernel->n_accesses++;
	CHECK(strcmp(path, "/sys/fs/selinux/enforce") == 0);
	errno = ENOENT;
	return kernel->is_off ? -1 : 0;
}

static const char *decide(const char *domain, const char *label) {
	for (size_t n = 0; n < ARRAY_SIZE(rules); n++)
		if (strcmp(rules[n].domain, domain) == 0 && strcmp(rules[n].label, label) == 0)
			return rules[n].result;
	if (kernel->sdwd_has_rule && strcmp(domain, "sdwd") == 0 && strcmp(label, "app_exec") == 0)
		return "app";
	return domain;
}

ssize_t __wrap_write(int fd, const void *data, size_t size) {
	char domain[64], label[64];
	unsigned class;

	if (is_file(fd, "create")) {
		const char *answer;

		CHECK(size < 200 && !memchr(data, '\0', size));
		CHECK(sscanf(strndupa(data, size), "%63s %63s %u", domain, label, &class) == 3);
		CHECK(class == 2);
		answer = decide(domain, label);
		CHECK(pwrite(fd, answer, strlen(answer) + 1, 0) > 0);
		return (ssize_t)size;
	}
	if (!is_file(fd, "exec"))
		return __real_write(fd, data, size);
	CHECK(size > 0 && size <= SELINUX_CONTEXT_MAX);
	if (kernel->ask_error > 0) {
		errno = kernel->ask_error;
		return -1;
	}
	memset(kernel->asked, 0, sizeof(kernel->asked));
	/* As the kernel: a line end or a NUL in front is no context. */
	if (*(const char *)data != '\n' && *(const char *)data != '\0') {
		memcpy(kernel->asked, data, size);
		memcpy(kernel->asked_ever, data, size);
	}
	return (ssize_t)size;
}

int __wrap_execve(const char *path, char *const argv[], char *const env[]) {
	if (kernel->exec_error > 0) {
		errno = kernel->exec_error;
		return -1;
	}
	memcpy(kernel->executed_in, kernel->asked, sizeof(kernel->asked));
	return __real_execve(path, argv, env);
}

/* Labels go by names. */
ssize_t __wrap_getxattr(const char *path, const char *name, void *value, size_t size) {
	const char *base = strrchr(path, '/'), *label;

	CHECK(strcmp(name, "security.selinux") == 0);
	if (is_broken(path))
		return -1;
	label = strcmp(path, "/proc/self/exe") == 0 ? "sdwd_exec"
		: strncmp(base ? base + 1 : path, "app", 3) == 0 ? "app_exec"
								 : "file";
	CHECK(strlen(label) < size);
	memcpy(value, label, strlen(label));
	return (ssize_t)strlen(label);
}

/* ---- a command ---- */

static char folder[256], app[300];
static struct selinux x;

static void begin(void) {
	kernel = mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(kernel != MAP_FAILED);
	kernel->prev = "manager";
	kernel->current = "sdwd";
	snprintf(folder, sizeof(folder), "%s/sdwd-test-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	CHECK(mkdtemp(folder));
	snprintf(app, sizeof(app), "%s/app", folder);
	write_file(app, "#!/bin/sh\nexit 7\n", 0755);
}

static void end(void) {
	unlink(app);
	CHECK(rmdir(folder) == 0);
	munmap(kernel, sizeof(*kernel));
}

static void expect(const char *wanted, const char *usual) {
	memset(&x, 'x', sizeof(x));
	CHECK(selinux_init(&x, app) == 1);
	CHECK(strcmp(x.file, app) == 0);
	CHECK(strcmp(x.own, kernel->current) == 0);
	if (strcmp(x.wanted, wanted) != 0 || strcmp(x.usual, usual) != 0)
		fprintf(stderr, "%s %s\n", x.wanted, x.usual);
	CHECK(strcmp(x.wanted, wanted) == 0);
	CHECK(strcmp(x.usual, usual) == 0);
	CHECK(selinux_must_ask(&x) == (strcmp(wanted, usual) != 0));
}

static void no_selinux(void) {
	begin();
	kernel->is_off = true;
	CHECK(selinux_init(&x, app) == 0);
	CHECK(kernel->n_accesses == 1);
	CHECK(kernel->n_opens == 0);

	/* Compiled in, without a policy. */
	kernel->is_off = false;
	kernel->current = "kernel";
	CHECK(selinux_init(&x, app) == 0);
	end();
}

static void test_off_costs_one_look(void **state) {
	isolated(no_selinux);
}

static void domains(void) {
	static const char *const endings[] = {NULL, "", "\n"};

	begin();
	for (size_t n = 0; n < ARRAY_SIZE(endings); n++) {
		kernel->ending = endings[n];
		expect("app", "sdwd");
	}
	/* sdwd's own policy does it. */
	kernel->sdwd_has_rule = true;
	expect("app", "app");
	/* Executed by somebody who would have executed the app in his own domain. */
	kernel->sdwd_has_rule = false;
	kernel->prev = kernel->current = "shell";
	expect("shell", "shell");
	end();
}

static void test_the_domain_is_that_of_who_executed_us(void **state) {
	isolated(domains);
}

static void named_domains(void) {
	begin();
	/* SELinuxContext=. */
	kernel->current = "special";
	expect("special", "special");
	/* The policy would take the app elsewhere from there. */
	kernel->current = "other";
	expect("other", "app");
	/* NoNewPrivileges=: sdwd was not let out of the manager's. */
	kernel->current = "manager";
	expect("manager", "app");
	end();
}

static void test_a_domain_that_was_named_is_the_childs_too(void **state) {
	isolated(named_domains);
}

static void broken_kernel(void) {
	static const char *const paths[] = {
		"/proc/self/attr/current",
		"/proc/self/attr/prev",
		"/sys/fs/selinux/create",
		"/proc/self/exe",
		"/sys/fs/selinux/class/process/index",
		app,
	};
	char *huge;

	begin();
	kernel->broken_error = EROFS;
	for (size_t n = 0; n < ARRAY_SIZE(paths); n++) {
		size_t fds = count_fds();

		kernel->broken_path = paths[n];
		CHECK(selinux_init(&x, app) == -EROFS);
		CHECK(count_fds() == fds);
	}
	kernel->broken_path = NULL;
	kernel->current = "";
	CHECK(selinux_init(&x, app) == -ENODATA);
	/* What does not fit is not cut. */
	huge = malloc(SELINUX_CONTEXT_MAX + 1);
	CHECK(huge);
	memset(huge, 'x', SELINUX_CONTEXT_MAX);
	huge[SELINUX_CONTEXT_MAX] = '\0';
	kernel->current = huge;
	CHECK(selinux_init(&x, app) == -ENAMETOOLONG);
	free(huge);
	end();
}

static void test_what_the_kernel_does_not_tell_is_an_error(void **state) {
	isolated(broken_kernel);
}

static void path_search(void) {
	char path[1024], other[320], name[330];

	begin();
	snprintf(other, sizeof(other), "%s/other", folder);
	CHECK(mkdir(other, 0700) == 0);
	snprintf(path, sizeof(path), "/does/not/exist:%s:%s", other, folder);
	setenv("PATH", path, 1);
	CHECK(selinux_init(&x, "app") == 1);
	CHECK(strcmp(x.file, app) == 0);
	CHECK(selinux_init(&x, "app2") == -ENOENT);

	/* Neither a folder nor what nobody may execute hides it. */
	snprintf(name, sizeof(name), "%s/app", other);
	CHECK(mkdir(name, 0755) == 0);
	CHECK(selinux_init(&x, "app") == 1 && strcmp(x.file, app) == 0);
	CHECK(rmdir(name) == 0);
	write_file(name, "", 0644);
	CHECK(selinux_init(&x, "app") == 1 && strcmp(x.file, app) == 0);
	CHECK(chmod(name, 0755) == 0);
	CHECK(selinux_init(&x, "app") == 1 && strcmp(x.file, name) == 0);

	/* An empty entry is the folder that we are in. */
	CHECK(chdir(other) == 0);
	setenv("PATH", "/does/not/exist:", 1);
	CHECK(selinux_init(&x, "app") == 1 && strcmp(x.file, "app") == 0);
	setenv("PATH", "/does/not/exist", 1);
	CHECK(selinux_init(&x, "app") == -ENOENT);
	/* A slash: no search. */
	CHECK(selinux_init(&x, "./app") == 1 && strcmp(x.file, "./app") == 0);
	CHECK(selinux_init(&x, "../other") == -ENOENT);
	CHECK(unlink(name) == 0);

	unsetenv("PATH");
	CHECK(selinux_init(&x, "sh") == 1);
	CHECK(strcmp(x.file, "/bin/sh") == 0);
	setenv("PATH", "", 1);
	CHECK(selinux_init(&x, "sh") == -ENOENT);
	CHECK(rmdir(other) == 0);
	end();
}

static void test_the_file_is_the_one_that_execvp_finds(void **state) {
	isolated(path_search);
}

/* ---- the child ---- */

static void use_app(void) {
	prepare();
	command[0] = app;
	command[1] = NULL;
	conf.domain = "app";
	conf.file = app;
	memset(kernel->asked, 0, sizeof(kernel->asked));
	memset(kernel->asked_ever, 0, sizeof(kernel->asked_ever));
	memset(kernel->executed_in, 0, sizeof(kernel->executed_in));
}

static void expect_run(int domain_error, const char *executed_in) {
	start();
	CHECK(WEXITSTATUS(exit_status_of(child.pid)) == 7);
	CHECK(child.domain_error == domain_error);
	CHECK(strcmp(kernel->executed_in, executed_in) == 0);
}

static void asked_domain(void) {
	begin();
	use_app();
	expect_run(0, "app");
	CHECK(strcmp(kernel->asked, "app") == 0);

	/* Nothing is asked where nothing is wanted. */
	use_app();
	conf.domain = NULL;
	kernel->n_opens = 0;
	expect_run(0, "");
	CHECK(kernel->n_opens == 0);
	end();
}

static void test_the_child_asks_for_its_domain(void **state) {
	isolated(asked_domain);
}

static void refused_domain(void) {
	begin();
	use_app();
	kernel->ask_error = EACCES;
	expect_run(EACCES, "");
	kernel->ask_error = 0;
	kernel->broken_path = "/proc/self/attr/exec";
	kernel->broken_error = ENOENT;
	expect_run(ENOENT, "");
	kernel->broken_path = NULL;

	/* At the exec: it is taken back, or the next try would fail by it as well. */
	for (int error = EPERM; error <= EACCES; error += EACCES - EPERM) {
		use_app();
		kernel->exec_error = error;
		expect_run(error, "");
		CHECK(strcmp(kernel->asked_ever, "app") == 0);
		CHECK(strcmp(kernel->asked, "") == 0);
	}
	end();
}

static void test_a_refused_domain_is_done_without(void **state) {
	isolated(refused_domain);
}

static void failing_exec(void) {
	begin();
	use_app();
	unlink(app);
	expect_failure(CHILD_STAGE_EXEC, ENOENT, 127);
	write_file(app, "", 0600);
	expect_failure(CHILD_STAGE_EXEC, EACCES, 126);
	kernel->exec_error = EACCES;
	expect_failure(CHILD_STAGE_EXEC, EACCES, 126);
	kernel->ask_error = EACCES;
	expect_failure(CHILD_STAGE_EXEC, EACCES, 126);
	kernel->exec_error = kernel->ask_error = 0;

	/* No "#!": a shell runs it, as without a domain, in the one that it has by itself. */
	use_app();
	write_file(app, "exit 7\n", 0700);
	expect_run(ENOEXEC, "app");
	CHECK(strcmp(kernel->asked, "") == 0);
	end();
}

static void test_the_error_of_exec_is_kept(void **state) {
	isolated(failing_exec);
}

static void same_name_behind(void) {
	char path[1024], other[320], name[330];

	begin();
	snprintf(other, sizeof(other), "%s/other", folder);
	CHECK(mkdir(other, 0700) == 0);
	snprintf(name, sizeof(name), "%s/app", other);
	write_file(name, "#!/bin/sh\nexit 8\n", 0755);
	snprintf(path, sizeof(path), "%s:%s:/bin:/usr/bin", folder, other);
	setenv("PATH", path, 1);
	use_app();
	command[0] = "app";
	kernel->exec_error = EACCES;
	expect_run(EACCES, "");
	kernel->exec_error = 0;
	expect_run(0, "app");
	unlink(name);
	CHECK(rmdir(other) == 0);
	end();
}

static void test_a_refusal_does_not_go_on_along_path(void **state) {
	isolated(same_name_behind);
}

static void told_in_pieces(void) {
	struct {
		int stage, error;
	} note = {-1, EACCES};
	enum child_stage stage;
	int error, fds[2];

	begin();
	CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	child = (struct child){.exec_fd = fds[0]};
	CHECK(write(fds[1], &note, sizeof(note)) == sizeof(note));
	CHECK(child_exec_result(&child, &stage, &error) == -EAGAIN);
	CHECK(child.domain_error == EACCES);
	close(fds[1]);
	CHECK(child_exec_result(&child, &stage, &error) == 0);
	CHECK(child.domain_error == EACCES);
	CHECK(child.exec_fd == -1);
	end();
}

static void test_the_refusal_may_come_before_the_exec(void **state) {
	isolated(told_in_pieces);
}

/* ---- afterwards ---- */

static void where_it_is(void) {
	static const struct {
		const char *wanted, *usual, *child;
		int refused;
		const char *elsewhere; /* NULL: it is where it belongs */
	} rows[] = {
		{"app", "sdwd", "app", 0, NULL},
		/* Asked for and granted; what it executed since is its own affair. */
		{"app", "sdwd", "next", 0, NULL},
		{"app", "sdwd", "sdwd", 0, NULL},
		{"app", "sdwd", NULL, 0, NULL},
		{"app", "sdwd", "sdwd", EACCES, "sdwd"},
		/* Gone, or not to be looked at. */
		{"app", "sdwd", NULL, EACCES, "sdwd"},
		/* It found its way by itself. */
		{"app", "sdwd", "app", EACCES, NULL},
		/* Without a question: granted, silently refused, and not known. */
		{"app", "app", "app", 0, NULL},
		{"app", "app", "sdwd", 0, "sdwd"},
		{"app", "app", "next", 0, NULL},
		{"app", "app", NULL, 0, NULL},
		/* It belongs where we are. */
		{"sdwd", "sdwd", "sdwd", 0, NULL},
		{"sdwd", "app", "app", EACCES, "app"},
		{"sdwd", "app", "sdwd", EACCES, NULL},
	};
	char actual[SELINUX_CONTEXT_MAX];

	begin();
	strcpy(x.own, "sdwd");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		strcpy(x.wanted, rows[n].wanted);
		strcpy(x.usual, rows[n].usual);
		kernel->child = rows[n].child;
		memset(actual, 0, sizeof(actual));
		if (selinux_is_elsewhere(&x, 4711, rows[n].refused, actual) !=
		    (rows[n].elsewhere != NULL))
			fprintf(stderr, "row %zu\n", n);
		CHECK(selinux_is_elsewhere(&x, 4711, rows[n].refused, actual) ==
		      (rows[n].elsewhere != NULL));
		CHECK(!rows[n].elsewhere || strcmp(actual, rows[n].elsewhere) == 0);
	}
	end();
}

static void test_where_the_child_is(void **state) {
	isolated(where_it_is);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off_costs_one_look),
		cmocka_unit_test(test_the_domain_is_that_of_who_executed_us),
		cmocka_unit_test(test_a_domain_that_was_named_is_the_childs_too),
		cmocka_unit_test(test_what_the_kernel_does_not_tell_is_an_error),
		cmocka_unit_test(test_the_file_is_the_one_that_execvp_finds),
		cmocka_unit_test(test_the_child_asks_for_its_domain),
		cmocka_unit_test(test_a_refused_domain_is_done_without),
		cmocka_unit_test(test_the_error_of_exec_is_kept),
		cmocka_unit_test(test_a_refusal_does_not_go_on_along_path),
		cmocka_unit_test(test_the_refusal_may_come_before_the_exec),
		cmocka_unit_test(test_where_the_child_is),
	};

	if (argc > 1)
		return child_help(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
