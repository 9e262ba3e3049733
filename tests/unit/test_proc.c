/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <pthread.h>
#include <sys/mman.h>

#include "sys/proc.h"
#include "sys/self.h"

#define PIDS_MAX 512

static pid_t pids[PIDS_MAX];

/* access(2) as a kernel without CONFIG_PROC_CHILDREN answers it. */
static bool has_no_children_file;

int access(const char *path, int mode) {
	if (has_no_children_file && strstr(path, "/children")) {
		errno = ENOENT;
		return -1;
	}
	return faccessat(AT_FDCWD, path, mode, 0);
}

static bool found(pid_t pid, ptrdiff_t n) {
	for (ptrdiff_t i = 0; i < MIN(n, PIDS_MAX); i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void pause_for_ever(void) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)(PATIENCE / USEC_PER_SEC));
	for (;;)
		pause();
}

static pid_t start_pausing(void) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		pause_for_ever();
	return pid;
}

/* A chain of @depth processes, each the child of the one before; their pids into @shared. */
static void start_chain(pid_t *shared, int depth) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (depth > 1)
		start_chain(shared + 1, depth - 1);
	__atomic_store_n(shared, getpid(), __ATOMIC_SEQ_CST);
	pause_for_ever();
}

static pid_t *shared_pids(size_t n) {
	pid_t *shared = mmap(NULL, n * sizeof(*shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(shared != MAP_FAILED);
	return shared;
}

static pid_t wait_for_pid(pid_t *shared) {
	CHECK_SOON(__atomic_load_n(shared, __ATOMIC_SEQ_CST) > 0);
	return *shared;
}

/* Names that would look like fields. */
static void odd_names(void) {
	static const char *const names[] = {"a) Z 1 1 (b", ")", "(((", ") R 1", "new\nline", " "};
	struct proc_stat stat, before;
	char comm[32];

	CHECK(proc_read_stat(getpid(), &before) == 0);
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		CHECK(prctl(PR_SET_NAME, names[n]) == 0);
		CHECK(proc_read_stat(getpid(), &stat) == 0);
		CHECK(stat.state == 'R');
		CHECK(stat.parent == getppid());
		CHECK(stat.group == getpgrp());
		CHECK(stat.n_threads == 1);
		CHECK(stat.start_ticks == before.start_ticks && stat.start_ticks > 0);
	}
	CHECK(prctl(PR_SET_NAME, "a) Z 1 1 (b") == 0);
	CHECK(proc_read_comm(getpid(), comm, sizeof(comm)) == 0);
	CHECK(strcmp(comm, "a) Z 1 1 (b") == 0);
	CHECK(prctl(PR_SET_NAME, "a\nb\033c") == 0);
	CHECK(proc_read_comm(getpid(), comm, sizeof(comm)) == 0);
	CHECK(strcmp(comm, "a?b?c") == 0);
	CHECK(proc_read_comm(getpid(), comm, 3) == 0);
	CHECK(strcmp(comm, "a?") == 0);
}

static void test_stat_is_read_behind_the_name(void **state) {
	isolated(odd_names);
}

static void states(void) {
	struct proc_stat stat;
	uint64_t first;
	pid_t pid;

	CHECK(proc_read_stat(getpid(), &stat) == 0);
	first = stat.start_ticks;
	pid = start_pausing();
	CHECK_SOON(proc_read_stat(pid, &stat) == 0 && stat.state == 'S');
	CHECK(stat.parent == getpid());
	CHECK(stat.start_ticks >= first);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_SOON(proc_read_stat(pid, &stat) == 0 && stat.state == 'T');
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_SOON(proc_read_stat(pid, &stat) == 0 && stat.state == 'Z');
	exit_status_of(pid);
	CHECK(proc_read_stat(pid, &stat) == -ESRCH);
	CHECK(proc_read_comm(pid, (char[8]){0}, 8) == -ESRCH);
	CHECK(proc_read_stat(0, &stat) == -ESRCH);
	CHECK(proc_read_stat(-1, &stat) == -ESRCH);
}

static void test_states(void **state) {
	isolated(states);
}

static void tree(void) {
	pid_t *chain = shared_pids(3), single, zombie;
	ptrdiff_t n;

	CHECK(proc_descendants(pids, PIDS_MAX) == 0);
	CHECK(proc_descendants(NULL, 0) == 0);
	start_chain(chain, 3);
	for (int i = 0; i < 3; i++)
		wait_for_pid(&chain[i]);
	single = start_pausing();
	zombie = fork();
	if (zombie == 0)
		_exit(0);
	CHECK_SOON(status_state(zombie) == 'Z');

	n = proc_descendants(pids, PIDS_MAX);
	CHECK(n == 4);
	for (int i = 0; i < 3; i++)
		CHECK(found(chain[i], n));
	CHECK(found(single, n) && !found(zombie, n) && !found(getpid(), n));
	CHECK(proc_descendants(pids, 4) == 4);

	/* More than fit are one more than fit. */
	for (size_t max = 0; max < 4; max++) {
		memset(pids, 0, sizeof(pids));
		CHECK(proc_descendants(pids, max) == (ptrdiff_t)max + 1);
		for (size_t i = 0; i < max; i++)
			CHECK(pids[i] > 0);
		CHECK(pids[max] == 0);
	}
	exit_status_of(zombie);
	CHECK(kill(chain[1], SIGKILL) == 0);
	CHECK_SOON(proc_descendants(pids, PIDS_MAX) == 2);
	CHECK(found(chain[0], 2) && found(single, 2));
}

static void who_is_ours(void) {
	pid_t *chain = shared_pids(3), gone, zombie;

	start_chain(chain, 3);
	for (int i = 0; i < 3; i++)
		wait_for_pid(&chain[i]);
	for (int i = 0; i < 3; i++)
		CHECK(proc_is_descendant(chain[i]) == 1);
	CHECK(proc_is_descendant(getpid()) == 0);
	CHECK(proc_is_descendant(getppid()) == 0);
	CHECK(proc_is_descendant(1) == 0);
	CHECK(proc_is_descendant(0) == -ESRCH);
	CHECK(proc_is_descendant(-1) == -ESRCH);
	zombie = fork();
	if (zombie == 0)
		_exit(0);
	CHECK_SOON(status_state(zombie) == 'Z');
	CHECK(proc_is_descendant(zombie) == 1);
	gone = zombie;
	exit_status_of(zombie);
	CHECK(proc_is_descendant(gone) == -ESRCH);
}

static void test_is_descendant(void **state) {
	isolated(who_is_ours);
}

/* A parent between that ends: the orphan is ours all the time. */
static void parents_end(void) {
	CHECK(self_become_subreaper() == 0);
	for (int n = 0; n < 100; n++) {
		pid_t *chain = shared_pids(3), first;

		start_chain(chain, 3);
		for (int i = 0; i < 3; i++)
			wait_for_pid(&chain[i]);
		first = chain[0];
		/* Without it the others would end too. */
		CHECK(kill(first, SIGKILL) == 0);
		for (int i = 0; i < 20; i++) {
			int r = proc_is_descendant(chain[2]);

			CHECK(r == 1 || r == -ESRCH);
		}
		while (waitpid(-1, NULL, 0) > 0)
			;
		CHECK(proc_descendants(pids, PIDS_MAX) == 0);
		munmap(chain, 3 * sizeof(*chain));
	}
}

static void test_parents_that_end_on_the_way(void **state) {
	isolated(parents_end);
}

static void *pause_thread(void *context) {
	pause_for_ever();
	return context;
}

/* The main thread is gone and another one lives: /proc says Z, and the process is none. */
static void main_thread_gone(void) {
	struct proc_stat stat;
	pthread_t thread;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK(pthread_create(&thread, NULL, pause_thread, NULL) == 0);
		pthread_exit(NULL);
	}
	CHECK_SOON(proc_read_stat(pid, &stat) == 0 && stat.state == 'Z');
	CHECK(stat.n_threads == 2);
	CHECK(proc_descendants(pids, PIDS_MAX) == 1);
	CHECK(pids[0] == pid);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_SOON(proc_descendants(pids, PIDS_MAX) == 0);
}

static void test_main_thread_may_be_gone(void **state) {
	isolated(main_thread_gone);
}

static void *fork_thread(void *context) {
	*(pid_t *)context = start_pausing();
	pause_for_ever();
	return NULL;
}

/* A child of another thread than the main one is found. */
static void other_threads(void) {
	pid_t *grandchild = shared_pids(1), pid = fork();
	pthread_t thread;

	if (pid == 0) {
		CHECK(pthread_create(&thread, NULL, fork_thread, grandchild) == 0);
		pause_for_ever();
	}
	wait_for_pid(grandchild);
	CHECK(proc_descendants(pids, PIDS_MAX) == 2);
	CHECK(found(*grandchild, 2));
}

static void test_children_of_threads(void **state) {
	isolated(other_threads);
}

/* What one of them starts at most: enough to outlast the test, too few to fill the machine. */
#define STORM_ROUNDS 1500

/* Processes that fork and end all the time, while the tree is read. */
static pid_t start_storm(void) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (int n = 0; n < STORM_ROUNDS; n++) {
		if (fork() == 0) {
			if (fork() == 0)
				usleep(500);
			_exit(0);
		}
		usleep(100);
	}
	pause_for_ever();
	return 0;
}

static void storm(void) {
	pid_t first, second;

	CHECK(self_become_subreaper() == 0);
	first = start_storm();
	second = start_storm();
	for (int n = 0; n < 200; n++) {
		ptrdiff_t count = proc_descendants(pids, 16);

		CHECK(count >= 2 && count <= 17);
		CHECK(found(first, MIN(count, 16)) && found(second, MIN(count, 16)));
		for (int i = 0; i < 2 * STORM_ROUNDS && waitpid(-1, NULL, WNOHANG) > 0; i++)
			;
	}
	CHECK(kill(first, SIGKILL) == 0);
	CHECK(kill(second, SIGKILL) == 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK(proc_descendants(pids, PIDS_MAX) == 0);
}

static void test_fork_storm_is_bounded(void **state) {
	isolated(storm);
}

static void many(void) {
	size_t fds = count_fds();

	for (int n = 0; n < 300; n++)
		start_pausing();
	CHECK(proc_descendants(pids, PIDS_MAX) == 300);
	CHECK(proc_descendants(pids, 299) == 300);
	CHECK(proc_descendants(pids, 100) == 101);
	CHECK(count_fds() == fds);
	for (int n = 0; n < 300; n++)
		CHECK(pids[n] > 0);
}

static void test_many_and_no_fd_left(void **state) {
	isolated(many);
}

static void test_descendants_of_all_depths(void **state) {
	isolated(tree);
}

static void test_without_the_children_file(void **state) {
	has_no_children_file = true;
	isolated(tree);
	isolated(main_thread_gone);
	isolated(many);
	has_no_children_file = false;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat_is_read_behind_the_name),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_descendants_of_all_depths),
		cmocka_unit_test(test_without_the_children_file),
		cmocka_unit_test(test_is_descendant),
		cmocka_unit_test(test_parents_that_end_on_the_way),
		cmocka_unit_test(test_main_thread_may_be_gone),
		cmocka_unit_test(test_children_of_threads),
		cmocka_unit_test(test_fork_storm_is_bounded),
		cmocka_unit_test(test_many_and_no_fd_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
