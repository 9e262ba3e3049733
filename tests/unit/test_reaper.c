/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <sys/mman.h>

#include "sys/reaper.h"
#include "sys/self.h"

#define SEEN_MAX 2048

static struct reaped seen[SEEN_MAX];
static size_t n_seen;

static void on_reaped(void *context, const struct reaped *r) {
	siginfo_t info = {0};

	CHECK(context == &n_seen);
	CHECK(n_seen < SEEN_MAX);
	/* Its pid is still its own. */
	CHECK(kill(r->pid, 0) == 0);
	if (r->is_gone)
		CHECK(waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		      info.si_pid == r->pid);
	seen[n_seen++] = *r;
}

static int run(void) {
	return reaper_run(on_reaped, &n_seen);
}

static const struct reaped *find(pid_t pid, int code) {
	for (size_t n = 0; n < n_seen; n++)
		if (seen[n].pid == pid && (code == 0 || seen[n].code == code))
			return &seen[n];
	return NULL;
}

static pid_t start_exiting(int code) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(code);
	return pid;
}

static pid_t start_pausing(void) {
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void no_children(void) {
	CHECK(!reaper_has_children());
	CHECK(run() == 0);
	CHECK(n_seen == 0);
}

static void test_without_children(void **state) {
	isolated(no_children);
}

static void all_codes(void) {
	pid_t pids[256];

	for (int code = 0; code < 256; code++)
		pids[code] = start_exiting(code);
	CHECK_SOON(run() == 0 && !reaper_has_children());
	CHECK(n_seen == 256);
	for (int code = 0; code < 256; code++) {
		const struct reaped *r = find(pids[code], 0);

		CHECK(r && r->is_gone && r->code == CLD_EXITED && r->status == code);
		CHECK(WIFEXITED(r->wait_status) && WEXITSTATUS(r->wait_status) == code);
		CHECK(kill(pids[code], 0) < 0 && errno == ESRCH);
	}
}

static void test_every_exit_code_of_many_at_once(void **state) {
	isolated(all_codes);
}

static void turn_ends(void) {
	int fds[2], waiting;
	char byte;

	/* All hold the pipe; its end says that all have ended. */
	CHECK(pipe(fds) == 0);
	for (int n = 0; n < REAPER_TURN + 1; n++)
		start_exiting(0);
	close(fds[1]);
	CHECK(read(fds[0], &byte, 1) == 0);
	/* An exit closes fds a moment before it can be waited for. */
	do {
		char line[64];
		FILE *file;

		waiting = 0;
		snprintf(line, sizeof(line), "/proc/self/task/%d/children", (int)getpid());
		file = fopen(line, "re");
		if (!file)
			return;
		while (fscanf(file, "%63s", line) == 1)
			waiting += status_state(atoi(line)) != 'Z';
		fclose(file);
	} while (waiting > 0);
	CHECK(run() == 1);
	CHECK(n_seen == REAPER_TURN);
	CHECK(reaper_has_children());
	CHECK(run() == 0);
	CHECK(n_seen == REAPER_TURN + 1);
	CHECK(!reaper_has_children());
}

static void test_turn_is_bounded(void **state) {
	isolated(turn_ends);
}

static void ended_or_not(void) {
	pid_t pid = start_pausing();
	int status = -1;

	CHECK(!reaper_has_ended(pid, &status));
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_SOON(status_state(pid) == 'T');
	CHECK(!reaper_has_ended(pid, &status) && status == -1);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_SOON(reaper_has_ended(pid, &status));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* It was not reaped by that. */
	CHECK(reaper_has_ended(pid, &status));
	CHECK_SOON(run() == 0 && !reaper_has_children());
	CHECK(!reaper_has_ended(pid, &status));

	pid = start_exiting(7);
	CHECK_SOON(reaper_has_ended(pid, &status));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	/* Another's child. */
	CHECK(!reaper_has_ended(1, &status));
}

static void test_an_end_is_known_before_it_is_reaped(void **state) {
	isolated(ended_or_not);
}

static void killed_and_dumped(void) {
	pid_t killed = start_pausing(), real_time = start_pausing();
	const struct reaped *r;

	CHECK(kill(killed, SIGKILL) == 0);
	CHECK(kill(real_time, SIGRTMIN + 5) == 0);
	CHECK_SOON(run() == 0 && !reaper_has_children());
	r = find(killed, CLD_KILLED);
	CHECK(r && r->is_gone && r->status == SIGKILL);
	CHECK(WIFSIGNALED(r->wait_status) && WTERMSIG(r->wait_status) == SIGKILL);
	CHECK(!WCOREDUMP(r->wait_status));
	r = find(real_time, CLD_KILLED);
	CHECK(r && WTERMSIG(r->wait_status) == SIGRTMIN + 5);
}

static void test_deaths_by_signal(void **state) {
	isolated(killed_and_dumped);
}

static void stop_and_continue(void) {
	pid_t pid = start_pausing();
	const struct reaped *r;

	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_SOON(run() == 0 && n_seen == 1);
	r = &seen[0];
	CHECK(r->pid == pid && r->code == CLD_STOPPED && r->status == SIGSTOP && !r->is_gone);
	CHECK(WIFSTOPPED(r->wait_status) && WSTOPSIG(r->wait_status) == SIGSTOP);
	/* Told once, not for ever. */
	CHECK(run() == 0 && n_seen == 1);
	CHECK(reaper_has_children());

	CHECK(kill(pid, SIGCONT) == 0);
	CHECK_SOON(run() == 0 && n_seen == 2);
	CHECK(seen[1].code == CLD_CONTINUED && !seen[1].is_gone);
	CHECK(WIFCONTINUED(seen[1].wait_status));
	CHECK(run() == 0 && n_seen == 2);

	/* A death right after a stop is never taken for it. */
	for (int n = 0; n < 50; n++) {
		size_t before = n_seen;

		CHECK(kill(pid, SIGSTOP) == 0);
		CHECK(n % 2 || status_state(pid));
		CHECK(kill(pid, SIGKILL) == 0);
		CHECK_SOON(run() == 0 && !reaper_has_children());
		CHECK(n_seen > before);
		CHECK(seen[n_seen - 1].pid == pid && seen[n_seen - 1].code == CLD_KILLED);
		pid = start_pausing();
	}
	CHECK(kill(pid, SIGKILL) == 0);
}

/* Whether the reaper has told of it yet or not. */
static void is_stopped(void) {
	pid_t pid = start_pausing();

	CHECK(reaper_is_stopped(pid, false) == 0);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_SOON(reaper_is_stopped(pid, false) == 1);
	CHECK_SOON(run() == 0 && n_seen == 1);
	CHECK(reaper_is_stopped(pid, true) == 1);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK_SOON(reaper_is_stopped(pid, true) == 0);
	CHECK_SOON(run() == 0 && n_seen == 2);
	CHECK(reaper_is_stopped(pid, false) == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_SOON(status_state(pid) == 'Z');
	CHECK(reaper_is_stopped(pid, false) == -ECHILD);
	CHECK_SOON(run() == 0 && n_seen == 3);
	CHECK(reaper_is_stopped(pid, false) == -ECHILD);
	CHECK(reaper_is_stopped(getppid(), false) == -ECHILD);
}

static void test_a_stop_is_known_at_once(void **state) {
	isolated(is_stopped);
}

static void test_stops_are_told_once_and_deaths_always(void **state) {
	isolated(stop_and_continue);
}

/* From the stop's report on the death is under way: it must be told by a later look. */
static void kill_stopped(void *context, const struct reaped *r) {
	if (r->code == CLD_STOPPED) {
		CHECK(kill(r->pid, SIGKILL) == 0);
		CHECK_SOON(status_state(r->pid) == 'Z');
	}
	on_reaped(context, r);
}

static void die_between(void) {
	pid_t pid = start_pausing();

	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_SOON(reaper_run(kill_stopped, &n_seen) == 0 && !reaper_has_children());
	CHECK(n_seen == 2);
	CHECK(seen[0].code == CLD_STOPPED && seen[1].code == CLD_KILLED);
}

static void test_death_between_look_and_taking(void **state) {
	isolated(die_between);
}

#define N_ORPHANS 200

/* 200 processes whose parent ends at once, and that end together. */
static void adopt_orphans(void) {
	pid_t *pids = mmap(NULL, N_ORPHANS * sizeof(*pids), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2];
	pid_t parent;

	CHECK(pids != MAP_FAILED);
	CHECK(self_become_subreaper() == 0);
	CHECK(pipe(go) == 0);
	parent = fork();
	CHECK(parent >= 0);
	if (parent == 0) {
		for (int n = 0; n < N_ORPHANS; n++) {
			pid_t pid = fork();
			char byte;

			CHECK(pid >= 0);
			if (pid > 0) {
				pids[n] = pid;
				continue;
			}
			close(go[1]);
			CHECK(read(go[0], &byte, 1) == 0);
			_exit(n);
		}
		_exit(0);
	}
	CHECK_SOON(run() == 0 && n_seen == 1);
	CHECK(seen[0].pid == parent);
	CHECK(reaper_has_children());
	close(go[1]);
	CHECK_SOON(run() == 0 && !reaper_has_children());
	CHECK(n_seen == 1 + N_ORPHANS);
	for (int n = 0; n < N_ORPHANS; n++) {
		const struct reaped *r = find(pids[n], CLD_EXITED);

		CHECK(r && r->status == n);
	}
}

static void test_orphans_are_ours(void **state) {
	isolated(adopt_orphans);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_children),
		cmocka_unit_test(test_every_exit_code_of_many_at_once),
		cmocka_unit_test(test_turn_is_bounded),
		cmocka_unit_test(test_an_end_is_known_before_it_is_reaped),
		cmocka_unit_test(test_deaths_by_signal),
		cmocka_unit_test(test_stops_are_told_once_and_deaths_always),
		cmocka_unit_test(test_a_stop_is_known_at_once),
		cmocka_unit_test(test_death_between_look_and_taking),
		cmocka_unit_test(test_orphans_are_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
