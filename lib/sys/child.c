/* SPDX-License-Identifier: MIT */
#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/envp.h"
#include "sys/self.h"
#include "sys/selinux.h"

/*
 * Everything that can fail by a lack of memory happens before fork(2). After it the child makes
 * system calls only, each of them async-signal-safe (signal-safety(7)), and tells the first failure
 * over a pipe that a successful exec closes.
 *
 * The group is made on both sides (setpgid(2)): whichever is first wins, and the parent may signal
 * the group as soon as child_start() returns. setsid(2) the child can only do itself, so there the
 * parent waits for it: for the end of a second pipe, which also comes if the child dies.
 */

/* "SYSTEMD_EXEC_PID=" and the digits of a pid. */
#define PID_ENTRY_MAX 32
#define PID_ENTRIES 3

/* What the environment says about pids, finished in the child. */
struct pid_entry {
	char text[PID_ENTRY_MAX];
	size_t length; /* of "NAME=" */
};

/* What comes over the exec pipe: written at once, since far below PIPE_BUF (pipe(7)). */
struct failure {
	int stage;
	int error;
};

/* In place of a stage: no failure, but the domain was refused and exec is tried without. */
#define STAGE_DOMAIN (-1)

/* All that the forked child needs, made before. */
struct launch {
	const struct child_conf *conf;
	char **argv;
	int *sources; /* for each of conf->fds: where it is in the child */
	struct envp env;
	struct pid_entry pids[PID_ENTRIES];
	size_t n_pids;
	char watchdog[64];
	pid_t parent;
	int pdeathsig; /* 0: none */
	int report_fd;
	int group_fd; /* -1 without setsid */
};

static bool is_target(const struct child_conf *conf, int fd) {
	for (size_t n = 0; n < conf->n_fds; n++)
		if (conf->fds[n].as == fd)
			return true;
	return false;
}

static int check_targets(const struct child_conf *conf) {
	for (size_t n = 0; n < conf->n_fds; n++) {
		if (conf->fds[n].as < 3)
			return -EINVAL;
		if (inherit_has(conf->fds[n].as))
			return -EEXIST;
		for (size_t m = 0; m < n; m++)
			if (conf->fds[m].as == conf->fds[n].as)
				return -EEXIST;
	}
	return 0;
}

/* "NAME=", the digits come in the child. */
static void add_pid_entry(struct launch *l, const char *name) {
	struct pid_entry *entry = &l->pids[l->n_pids++];
	size_t length = strlen(name);

	memcpy(entry->text, name, length);
	entry->text[length] = '=';
	entry->length = length + 1;
	envp_set(&l->env, entry->text);
}

static bool names_us(const struct launch *l, const char *name) {
	const char *value = envp_get(&l->env, name);
	uint64_t pid;

	return value && text_parse_u64(value, 1, INT32_MAX, &pid) == 0 && (pid_t)pid == l->parent;
}

static int build_environment(struct launch *l) {
	const struct child_conf *conf = l->conf;
	struct text watchdog = TEXT_OVER(l->watchdog);
	size_t n_set = 0;
	int r;

	while (conf->set_env && conf->set_env[n_set])
		n_set++;
	/* WATCHDOG_USEC, and the pid entries. */
	r = envp_init(&l->env, n_set + 1 + PID_ENTRIES);
	if (r < 0)
		return r;
	for (size_t n = 0; conf->unset_env && conf->unset_env[n]; n++)
		envp_unset(&l->env, conf->unset_env[n]);
	for (size_t n = 0; n < n_set; n++)
		envp_set(&l->env, conf->set_env[n]);

	/* It is the inode of a pidfd of ours; left alone it would make sd_listen_fds(3) find
	 * nothing, although LISTEN_PID is right. */
	envp_unset(&l->env, "LISTEN_PIDFDID");
	envp_unset(&l->env, "WATCHDOG_USEC");
	envp_unset(&l->env, "WATCHDOG_PID");
	if (names_us(l, "LISTEN_PID"))
		add_pid_entry(l, "LISTEN_PID");
	if (names_us(l, "SYSTEMD_EXEC_PID"))
		add_pid_entry(l, "SYSTEMD_EXEC_PID");
	if (conf->watchdog_usec > 0) {
		text_addf(&watchdog, "WATCHDOG_USEC=%llu", (unsigned long long)conf->watchdog_usec);
		envp_set(&l->env, l->watchdog);
		add_pid_entry(l, "WATCHDOG_PID");
	}
	return 0;
}

static int build_argv(struct launch *l) {
	size_t n = 0;

	while (l->conf->command[n])
		n++;
	l->argv = calloc(n + 1, sizeof(*l->argv));
	if (!l->argv)
		return -ENOMEM;
	memcpy(l->argv, l->conf->command, n * sizeof(*l->argv));
	if (l->conf->argv0)
		l->argv[0] = (char *)l->conf->argv0;
	return 0;
}

static void launch_done(struct launch *l) {
	free(l->argv);
	free(l->sources);
	envp_done(&l->env);
	l->argv = NULL;
	l->sources = NULL;
}

/* What was asked for, or else what we were started with: a fork does not hand it on (prctl(2)). */
static int parent_death_signal(const struct child_conf *conf) {
	int number = conf->pdeathsig;

	if (number == 0 && prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0) < 0)
		return 0;
	return number;
}

static int launch_init(struct launch *l, const struct child_conf *conf) {
	int r;

	*l = (struct launch){.conf = conf, .parent = getpid(), .report_fd = -1, .group_fd = -1};
	l->pdeathsig = parent_death_signal(conf);
	r = check_targets(conf);
	if (r < 0)
		return r;
	if (conf->n_fds > 0) {
		l->sources = calloc(conf->n_fds, sizeof(*l->sources));
		if (!l->sources)
			return -ENOMEM;
	}
	r = build_argv(l);
	if (r < 0)
		return r;
	return build_environment(l);
}

/* In the child. snprintf(3) is not async-signal-safe. */
static void write_pids(struct launch *l) {
	for (size_t n = 0; n < l->n_pids; n++) {
		struct pid_entry *entry = &l->pids[n];
		char digits[PID_ENTRY_MAX], *to = entry->text + entry->length;
		size_t count = 0;

		for (unsigned pid = (unsigned)getpid(); pid > 0; pid /= 10)
			digits[count++] = (char)('0' + pid % 10);
		while (count > 0)
			*to++ = digits[--count];
		*to = '\0';
	}
}

static void tell(const struct launch *l, int stage, int error) {
	struct failure failure = {.stage = stage, .error = error};

	(void)!write(l->report_fd, &failure, sizeof(failure));
}

__attribute__((noreturn)) static void fail(const struct launch *l, enum child_stage stage,
					   int error) {
	tell(l, (int)stage, error);
	if (stage != CHILD_STAGE_EXEC)
		_exit(125);
	_exit(error == ENOENT ? 127 : 126);
}

/* A CLOEXEC duplicate of @fd on a number that is nobody's target. */
static int move_away(const struct child_conf *conf, int fd) {
	int from = 3;

	for (;;) {
		int moved = fcntl(fd, F_DUPFD_CLOEXEC, from);

		if (moved < 0)
			return -errno;
		if (!is_target(conf, moved))
			return moved;
		(void)close(moved);
		from = moved + 1;
	}
}

/*
 * In the child: every fd of conf->fds onto its number. What stands on a target number of another is
 * moved first, our own end of the exec pipe included; all else of ours has CLOEXEC.
 */
static int place_fds(struct launch *l) {
	const struct child_conf *conf = l->conf;

	if (is_target(conf, l->report_fd)) {
		int moved = move_away(conf, l->report_fd);

		if (moved < 0)
			return moved;
		l->report_fd = moved;
	}
	for (size_t n = 0; n < conf->n_fds; n++) {
		int fd = conf->fds[n].fd;

		if (fd != conf->fds[n].as && is_target(conf, fd))
			fd = move_away(conf, fd);
		if (fd < 0)
			return fd;
		l->sources[n] = fd;
	}
	for (size_t n = 0; n < conf->n_fds; n++) {
		int as = conf->fds[n].as;
		/* dup2(2) on itself would leave CLOEXEC on. */
		int r = l->sources[n] == as ? fcntl(as, F_SETFD, 0) : dup2(l->sources[n], as);

		if (r < 0)
			return -errno;
	}
	for (int n = 0; n <= 2; n++)
		if (conf->inherit->closed_standard & (1U << n))
			(void)close(n);
	return 0;
}

/*
 * In the child, in the domain that was asked for; returns where that cannot be.  Not by execvp(3):
 * refused the file, it would go on along PATH, and execute another of the same name.
 */
static void execute_in_domain(const struct launch *l) {
	int r = selinux_ask(l->conf->domain);

	if (r == 0) {
		(void)execve(l->conf->file, l->argv, l->env.entries);
		r = -errno;
		(void)selinux_ask(NULL);
	}
	tell(l, STAGE_DOMAIN, -r);
}

__attribute__((noreturn)) static void run_child(struct launch *l) {
	const struct child_conf *conf = l->conf;
	int r;

	if (conf->setsid ? setsid() < 0 : setpgid(0, 0) < 0)
		fail(l, CHILD_STAGE_GROUP, errno);
	if (l->group_fd >= 0)
		(void)close(l->group_fd);
	/* Before exec, or a quick program would read as a background process and be stopped. */
	if (conf->is_foreground && !conf->setsid)
		(void)tcsetpgrp(STDIN_FILENO, getpid());

	/* A parent that died before the prctl() raises no signal any more (prctl(2)). */
	if (l->pdeathsig > 0) {
		if (prctl(PR_SET_PDEATHSIG, (unsigned long)l->pdeathsig, 0, 0, 0) < 0)
			fail(l, CHILD_STAGE_PARENT_GONE, errno);
		if (getppid() != l->parent)
			fail(l, CHILD_STAGE_PARENT_GONE, ESRCH);
	}

	r = place_fds(l);
	if (r < 0)
		fail(l, CHILD_STAGE_FDS, -r);
	write_pids(l);

	self_pass_on_scheduling();
	signals_restore(conf->signals);
	if (conf->domain)
		execute_in_domain(l);
	(void)execvpe(conf->command[0], l->argv, l->env.entries);
	fail(l, CHILD_STAGE_EXEC, errno);
}

/* The end of file comes with the child's setsid(), exec or death. */
static void wait_for_group(int fd) {
	char byte;

	(void)fd_read_all(fd, &byte, 1);
}

int child_start(struct child *c, const struct child_conf *conf) {
	cleanup(launch_done) struct launch launch;
	cleanup(fd_closep) int exec_read = -1, exec_write = -1, group_read = -1, group_write = -1;
	int pipe_fds[2], r;
	pid_t pid;

	r = launch_init(&launch, conf);
	if (r < 0)
		return r;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	exec_read = pipe_fds[0];
	exec_write = pipe_fds[1];
	/* Our end only: the flag is on the open file description, of which each end has its own. */
	if (fcntl(exec_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (conf->setsid) {
		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return -errno;
		group_read = pipe_fds[0];
		group_write = pipe_fds[1];
	}
	launch.report_fd = exec_write;
	launch.group_fd = group_write;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(&launch);

	exec_write = fd_close(exec_write);
	group_write = fd_close(group_write);
	if (conf->setsid)
		wait_for_group(group_read);
	else
		(void)setpgid(pid, pid); /* EACCES: it did so itself, and executed already */
	*c = (struct child){.pid = pid, .pgid = pid, .exec_fd = fd_take(&exec_read)};
	return 0;
}

int child_exec_result(struct child *c, enum child_stage *ret_stage, int *ret_error) {
	struct failure failure;
	ssize_t n;

	for (;;) {
		n = read(c->exec_fd, &failure, sizeof(failure));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(failure) || failure.stage != STAGE_DOMAIN)
			break;
		c->domain_error = failure.error;
	}
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	c->exec_fd = fd_close(c->exec_fd);
	if (n == 0)
		return 0;
	if (n != sizeof(failure))
		failure = (struct failure){.stage = CHILD_STAGE_EXEC, .error = EIO};
	*ret_stage = (enum child_stage)failure.stage;
	*ret_error = failure.error;
	return 1;
}
