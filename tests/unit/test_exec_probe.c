/* SPDX-License-Identifier: MIT */
#include "probe/exec.h"

#include "process.h"

#include "base/match.h"
#include "probe/exec_settings.h"

#include "new_loop.h"

/* Longer than any test. */
#define HANG "sleep 1000"

struct world {
	struct ev_loop *loop;
	struct probe_owner owner;
	struct exec_settings settings;
	struct probe_conf conf;
	struct probe *p;
	struct outcome outcome;
	unsigned n_outcomes;
	pid_t helpers[16]; /* in order */
	size_t n_helpers;
	pid_t reaped;  /* the last one that was the probe's */
	bool is_blind; /* nothing is reaped */
	size_t n_fds;
};

/* Failing calls, and how much was read ------------------------------------------------------- */

static struct {
	int fork, pipe2; /* the errno of the next calls; 0: none */
	size_t read;
} wrapped;

pid_t __real_fork(void);
int __real_pipe2(int *fds, int flags);
ssize_t __real_read(int fd, void *buffer, size_t size);
pid_t __wrap_fork(void);
int __wrap_pipe2(int *fds, int flags);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

pid_t __wrap_fork(void) {
	errno = wrapped.fork;
	return wrapped.fork ? -1 : __real_fork();
}

int __wrap_pipe2(int *fds, int flags) {
	errno = wrapped.pipe2;
	return wrapped.pipe2 ? -1 : __real_pipe2(fds, flags);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
	ssize_t n = __real_read(fd, buffer, size);

	wrapped.read += n > 0 ? (size_t)n : 0;
	return n;
}

/* The owner ---------------------------------------------------------------------------------- */

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	struct world *w = container_of(owner, struct world, owner);

	assert_ptr_equal(p, w->p);
	w->outcome = *o;
	w->n_outcomes++;
}

static void environment(struct probe_owner *owner, struct probe *p, struct check_environment *ret) {
	snprintf(ret->lines[0], sizeof(ret->lines[0]), "SDWD_PROBE=it");
	ret->set[0] = ret->lines[0];
	ret->set[1] = NULL;
}

static void on_helper(struct probe_owner *owner, struct probe *p, pid_t pid) {
	struct world *w = container_of(owner, struct world, owner);

	assert_true(w->n_helpers < ARRAY_SIZE(w->helpers));
	w->helpers[w->n_helpers++] = pid;
}

static void on_reaped(void *context, const struct reaped *r) {
	struct world *w = context;

	if (probe_exec.reaped(w->p, r) && r->is_gone)
		w->reaped = r->pid;
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = new_loop();
	w->owner = (struct probe_owner){
		.on_outcome = on_outcome,
		.environment = environment,
		.on_helper = on_helper,
	};
	w->n_fds = count_fds();
	memset(&wrapped, 0, sizeof(wrapped));
	*state = w;
	return 0;
}

static void drop(struct world *w) {
	if (w->p) {
		probe_exec.done(w->p);
		probe_exec.done(w->p);
	}
	free(w->p);
	w->p = NULL;
	exec_settings_done(&w->settings);
}

static int teardown(void **state) {
	struct world *w = *state;

	drop(w);
	/* What the tests left was killed by done(). */
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(count_fds(), w->n_fds);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

static void make(struct world *w, const char *command, const char *expect, int warn) {
	char reason[512];
	struct text error = TEXT_OVER(reason);

	drop(w);
	w->settings = (struct exec_settings){.warn = warn};
	if (expect)
		assert_int_equal(match_new(expect, &w->settings.expect, &error), 0);
	if (exec_settings_check(command, &w->settings, &error) < 0)
		fail_msg("%s", reason);
	w->conf = (struct probe_conf){
		.kind = probe_exec.kind,
		.settings = &w->settings,
		.timeout_usec = 4800 * USEC_PER_MSEC,
	};
	w->p = calloc(1, probe_exec.size);
	assert_non_null(w->p);
	*w->p = (struct probe){
		.class = &probe_exec,
		.conf = &w->conf,
		.owner = &w->owner,
		.loop = w->loop,
	};
}

static void turn(struct world *w) {
	ev_run(w->loop, EVRUN_NOWAIT);
	if (!w->is_blind)
		(void)reaper_run(on_reaped, w);
}

#define TURNS_UNTIL(w, condition) \
	do { \
		usec_t give_up_at_ = usec_now() + PATIENCE; \
		while (!(condition)) { \
			assert_true(usec_now() < give_up_at_); \
			turn(w); \
			usleep(500); \
		} \
	} while (0)

static pid_t begin(struct world *w) {
	size_t before = w->n_helpers;

	w->n_outcomes = 0;
	memset(&w->outcome, 0xff, sizeof(w->outcome));
	assert_int_equal(probe_exec.start(w->p, &w->outcome), 0);
	return w->n_helpers > before ? w->helpers[w->n_helpers - 1] : 0;
}

/* A whole look, by its own end. */
static void look(struct world *w) {
	pid_t pid = begin(w);

	assert_true(pid > 1);
	TURNS_UNTIL(w, w->n_outcomes > 0);
	assert_int_equal(w->n_outcomes, 1);
	assert_int_equal(w->reaped, pid);
	assert_int_equal(count_fds(), w->n_fds);
	w->n_helpers = 0;
}

static void assert_outcome(const struct world *w, enum cause cause, const char *text) {
	if (w->outcome.cause != cause || strcmp(w->outcome.text, text) != 0)
		fail_msg("%s: '%s', wanted %s: '%s'", cause_str(w->outcome.cause), w->outcome.text,
			 cause_str(cause), text);
	assert_int_equal(w->outcome.verdict, cause_verdict(cause));
}

/* Verdicts ----------------------------------------------------------------------------------- */

static void test_what_is_good(void **state) {
	static const struct {
		const char *command, *expect;
		int warn;
		enum cause cause;
		const char *text;
	} cases[] = {
		{"true", NULL, 0, CAUSE_OK, "exited with 0"},
		{"echo all is well", NULL, 0, CAUSE_OK, "exited with 0: all is well"},
		{"false", NULL, 0, CAUSE_EXIT_CODE, "exited with 1"},
		{"sh -c 'echo no pool >&2; exit 3'", NULL, 0, CAUSE_EXIT_CODE,
		 "exited with 3: no pool"},
		{"exit 255;", NULL, 0, CAUSE_EXIT_CODE, "exited with 255"},
		{"sh -c 'kill -SEGV $$'", NULL, 0, CAUSE_KILLED, "killed by SIGSEGV"},
		{"sh -c 'echo so far; kill -KILL $$'", NULL, 0, CAUSE_KILLED,
		 "killed by SIGKILL: so far"},
		/* cannot be run */
		{"exit 126;", NULL, 0, CAUSE_CANNOT_RUN,
		 "exited with 126: the command cannot be run"},
		{"sdwd-test-no-such-command; exit $?", NULL, 0, CAUSE_CANNOT_RUN, NULL},
		/* --exec-warn */
		{"exit 1;", NULL, 1, CAUSE_DEGRADED, "exited with 1"},
		{"echo slow; exit 1", NULL, 1, CAUSE_DEGRADED, "exited with 1: slow"},
		{"exit 2;", NULL, 1, CAUSE_EXIT_CODE, "exited with 2"},
		{"true", NULL, 1, CAUSE_OK, "exited with 0"},
		{"kill -HUP $$", NULL, 1, CAUSE_KILLED, "killed by SIGHUP"},
		/* --expect */
		{"echo pong", "^pong$", 0, CAUSE_OK, "exited with 0, its output matches: pong"},
		{"echo pong >&2", "^pong$", 0, CAUSE_OK, "exited with 0, its output matches: pong"},
		{"echo loading", "^pong$", 0, CAUSE_BODY_MISMATCH,
		 "exited with 0, but its output does not match: loading"},
		{"true", ".", 0, CAUSE_BODY_MISMATCH,
		 "exited with 0, but its output does not match"},
		{"printf 'a\\nb\\npong\\n'", "^pong$", 0, CAUSE_OK,
		 "exited with 0, its output matches: a"},
		{"printf 'a\\0pong'", "pong$", 0, CAUSE_OK,
		 "exited with 0, its output matches: a?pong"},
		/* It is asked of exit 0. */
		{"echo pong; exit 2", "^pong$", 0, CAUSE_EXIT_CODE, "exited with 2: pong"},
		{"echo slow; exit 1", "^pong$", 1, CAUSE_DEGRADED, "exited with 1: slow"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(w, cases[i].command, cases[i].expect, cases[i].warn);
		look(w);
		if (cases[i].text)
			assert_outcome(w, cases[i].cause, cases[i].text);
		else
			assert_int_equal(w->outcome.cause, cases[i].cause);
	}
}

static void test_the_first_line_that_shows_anything(void **state) {
	static const struct {
		const char *command, *line;
	} cases[] = {
		{"printf '\\n \\t\\n\\r\\n  here  \\nnot'", ": here"},
		{"printf 'no end'", ": no end"},
		{"printf '\\033[31mred\\377\\r\\n'", ": ?[31mred?"},
		{"printf '\\n\\n\\n'", ""},
		{"printf '\\n\\n\\n\\n'", ""},
		{"printf 'gr\\303\\274n'", ": gr\303\274n"},
	};
	struct world *w = *state;
	char text[OUTCOME_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(w, cases[i].command, NULL, 0);
		look(w);
		snprintf(text, sizeof(text), "exited with 0%s", cases[i].line);
		assert_outcome(w, CAUSE_OK, text);
	}
	make(w, "printf '%0999d' 0", NULL, 0);
	look(w);
	assert_int_equal(strlen(w->outcome.text), OUTCOME_TEXT_MAX - 1);
}

/* As much as is kept still matches; one byte more, in one piece or in two, is a cut output. */
static void test_a_cut_output_never_matches(void **state) {
	static const struct {
		const char *command;
		enum cause cause;
	} cases[] = {
		{"printf '%04094dok' 0", CAUSE_OK},
		{"printf '%04094d' 0; sleep 0.05; printf ok", CAUSE_OK},
		{"printf '%04095dok' 0", CAUSE_BODY_MISMATCH},
		{"printf '%04094dok' 0; sleep 0.05; echo", CAUSE_BODY_MISMATCH},
		{"printf 'ok\\n%011000d' 0", CAUSE_BODY_MISMATCH},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(w, cases[i].command, "ok$", 0);
		look(w);
		assert_int_equal(w->outcome.cause, cases[i].cause);
		assert_true((strstr(w->outcome.text, "longer than 4 KiB") != NULL) ==
			    (cases[i].cause != CAUSE_OK));
	}
	/* Nothing to match: it is no matter. */
	make(w, cases[4].command, NULL, 0);
	look(w);
	assert_outcome(w, CAUSE_OK, "exited with 0: ok");
}

static void test_a_look_knows_nothing_of_the_last_one(void **state) {
	struct world *w = *state;
	char path[256], text[700];

	fresh_file(path, sizeof(path));
	snprintf(text, sizeof(text),
		 "test -s %s && echo two && exit; printf '%%05000d' 1; echo >%s", path, path);
	make(w, text, "^two$", 0);
	look(w);
	assert_int_equal(w->outcome.cause, CAUSE_BODY_MISMATCH);
	look(w);
	assert_outcome(w, CAUSE_OK, "exited with 0, its output matches: two");
	unlink(path);
}

static void test_the_environment_is_the_owners(void **state) {
	struct world *w = *state;

	make(w, "echo $SDWD_PROBE", NULL, 0);
	look(w);
	assert_outcome(w, CAUSE_OK, "exited with 0: it");
}

/* Ends --------------------------------------------------------------------------------------- */

/* @pid is neither there nor a zombie. */
static bool is_gone(pid_t pid) {
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void test_the_verdict_is_the_exit_not_the_end_of_output(void **state) {
	struct world *w = *state;

	make(w, "sleep 1000 & echo $!", NULL, 0);
	look(w);
	assert_int_equal(w->outcome.cause, CAUSE_OK);
	/* It went with the group, and is not ours to reap here. */
	TURNS_UNTIL(w, is_gone((pid_t)atoi(strstr(w->outcome.text, ": ") + 2)));

	/* The end of output alone is no exit. */
	make(w, "exec >&- 2>&-; sleep 0.2; exit 5", NULL, 0);
	look(w);
	assert_outcome(w, CAUSE_EXIT_CODE, "exited with 5");
}

static void test_the_deadline_kills_the_group(void **state) {
	struct world *w = *state;
	pid_t pid, below;

	make(w, "trap '' TERM HUP INT; sleep 1001 & echo $!; " HANG "; :", NULL, 0);
	pid = begin(w);
	TURNS_UNTIL(w, wrapped.read > 0);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(w->n_outcomes, 0);
	assert_int_equal(w->outcome.cause, CAUSE_TIMEOUT);
	assert_int_equal(sscanf(w->outcome.text, "took longer than 4.8s and was killed: %d",
				&below),
			 1);
	TURNS_UNTIL(w, w->reaped == pid && is_gone(below));
	assert_int_equal(w->n_outcomes, 0);
	assert_int_equal(count_fds(), w->n_fds);
}

static void test_an_end_in_time_counts_though_nobody_reaped_it(void **state) {
	struct world *w = *state;
	int status;
	pid_t pid;

	make(w, "echo done; exit 3", NULL, 0);
	pid = begin(w);
	w->is_blind = true;
	TURNS_UNTIL(w, reaper_has_ended(pid, &status));
	probe_exec.expire(w->p, &w->outcome);
	assert_outcome(w, CAUSE_EXIT_CODE, "exited with 3: done");
	w->is_blind = false;
	TURNS_UNTIL(w, w->reaped == pid);
	assert_int_equal(w->n_outcomes, 0);
	/* The next look has a run of its own. */
	look(w);
}

static void test_a_stopped_check_is_no_end(void **state) {
	struct world *w = *state;
	pid_t pid;

	make(w, HANG, NULL, 0);
	pid = begin(w);
	assert_true(pid > 1);
	kill(pid, SIGSTOP);
	TURNS_UNTIL(w, status_state(pid) == 'T');
	for (int n = 0; n < 20; n++)
		turn(w);
	assert_int_equal(w->n_outcomes, 0);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(w->outcome.cause, CAUSE_TIMEOUT);
	TURNS_UNTIL(w, w->reaped == pid);
}

/* Overlap ------------------------------------------------------------------------------------ */

static void test_a_look_waits_for_the_end_of_the_last_run(void **state) {
	struct world *w = *state;
	pid_t first, second;

	make(w, HANG, NULL, 0);
	first = begin(w);
	probe_exec.expire(w->p, &w->outcome);
	w->is_blind = true;
	assert_int_equal(begin(w), 0);
	for (int n = 0; n < 20; n++)
		turn(w);
	assert_int_equal(w->n_helpers, 1);
	w->is_blind = false;
	/* It is gone: at that moment the next one begins. */
	TURNS_UNTIL(w, w->reaped == first);
	assert_int_equal(w->n_helpers, 2);
	second = w->helpers[1];
	assert_int_not_equal(second, first);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(strncmp(w->outcome.text, "took longer than", 16), 0);
	TURNS_UNTIL(w, w->reaped == second);
	assert_int_equal(w->n_outcomes, 0);
}

static void test_a_run_that_outlives_its_kill_fails_the_next_look(void **state) {
	struct world *w = *state;
	pid_t pid;

	make(w, HANG, NULL, 0);
	pid = begin(w);
	probe_exec.expire(w->p, &w->outcome);
	w->is_blind = true;
	for (int n = 0; n < 3; n++) {
		assert_int_equal(begin(w), 0);
		turn(w);
		probe_exec.expire(w->p, &w->outcome);
		assert_outcome(w, CAUSE_TIMEOUT, "the last run was killed and has not ended since");
		assert_int_equal(w->n_helpers, 1);
		assert_int_equal(count_fds(), w->n_fds);
	}
	/* Gone between two looks: nothing begins by itself. */
	w->is_blind = false;
	TURNS_UNTIL(w, w->reaped == pid);
	assert_int_equal(w->n_helpers, 1);
	assert_int_equal(w->n_outcomes, 0);
	assert_true(begin(w) > 0);
	assert_int_equal(w->n_helpers, 2);
}

static void test_a_waiting_look_that_cannot_begin_says_so(void **state) {
	struct world *w = *state;
	pid_t pid;

	make(w, HANG, NULL, 0);
	pid = begin(w);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(begin(w), 0);
	wrapped.pipe2 = EMFILE;
	TURNS_UNTIL(w, w->reaped == pid);
	assert_int_equal(w->n_outcomes, 1);
	assert_outcome(w, CAUSE_SELF, "sdwd cannot look: pipe: Too many open files");
	wrapped.pipe2 = 0;
	assert_true(begin(w) > 0);
}

static void test_cancel_ends_all_and_tells_nothing(void **state) {
	struct world *w = *state;
	pid_t pid;

	make(w, "echo said; " HANG "; :", NULL, 0);
	pid = begin(w);
	turn(w);
	for (int n = 0; n < 10; n++)
		probe_exec.cancel(w->p);
	assert_int_equal(count_fds(), w->n_fds);
	TURNS_UNTIL(w, w->reaped == pid);
	assert_int_equal(w->n_outcomes, 0);
	probe_exec.cancel(w->p);

	/* While it waits for the last run. */
	pid = begin(w);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(begin(w), 0);
	probe_exec.cancel(w->p);
	TURNS_UNTIL(w, w->reaped == pid);
	assert_int_equal(w->n_outcomes, 0);
	assert_int_equal(w->n_helpers, 2);
}

static void test_others_are_not_its_own(void **state) {
	const struct reaped gone = {.pid = 1, .code = CLD_EXITED, .is_gone = true};
	const struct reaped none = {.pid = 0, .code = CLD_EXITED, .is_gone = true};
	struct world *w = *state;

	make(w, HANG, NULL, 0);
	assert_false(probe_exec.reaped(w->p, &gone));
	assert_false(probe_exec.reaped(w->p, &none));
	begin(w);
	assert_false(probe_exec.reaped(w->p, &gone));
	assert_int_equal(w->n_outcomes, 0);
}

/* Means -------------------------------------------------------------------------------------- */

static void test_what_we_lack_is_unknown(void **state) {
	struct world *w = *state;

	make(w, "true", NULL, 0);
	wrapped.fork = EAGAIN;
	assert_int_equal(probe_exec.start(w->p, &w->outcome), PROBE_DONE);
	assert_outcome(w, CAUSE_SELF, "sdwd cannot look: fork: Resource temporarily unavailable");
	wrapped.fork = 0;
	wrapped.pipe2 = EMFILE;
	assert_int_equal(probe_exec.start(w->p, &w->outcome), PROBE_DONE);
	assert_outcome(w, CAUSE_SELF, "sdwd cannot look: pipe: Too many open files");
	wrapped.pipe2 = 0;
	assert_int_equal(count_fds(), w->n_fds);
	assert_int_equal(w->n_helpers, 0);
	look(w);
}

static void test_a_flood_is_read_in_turns(void **state) {
	struct world *w = *state;
	usec_t give_up_at = usec_now() + PATIENCE;
	size_t most = 0, reads = 0;
	pid_t pid;

	make(w, "cat /dev/zero", NULL, 0);
	pid = begin(w);
	/* Far more than any pipe holds: the writer waits for us, and never for long. */
	while (reads < 100) {
		wrapped.read = 0;
		turn(w);
		most = MAX(most, wrapped.read);
		reads += wrapped.read > 0;
		assert_true(usec_now() < give_up_at);
	}
	assert_in_range(most, 16 * 1024, 64 * 1024);
	probe_exec.expire(w->p, &w->outcome);
	assert_int_equal(w->outcome.cause, CAUSE_TIMEOUT);
	TURNS_UNTIL(w, w->reaped == pid);
}

/* A writer that left the group goes on, and delays the verdict no more than the rest. */
static void test_a_flood_at_the_end_is_bounded_too(void **state) {
	struct world *w = *state;

	make(w, "echo y; setsid yes & sleep 0.05", NULL, 0);
	look(w);
	assert_outcome(w, CAUSE_OK, "exited with 0: y");
	/* Its pipe is closed: it dies of that. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void test_done_works_in_every_stage(void **state) {
	struct world *w = *state;
	struct stat st;
	pid_t pid;

	w->p = calloc(1, probe_exec.size);
	assert_non_null(w->p);
	w->p->loop = w->loop;
	drop(w);
	assert_int_equal(fstat(0, &st), 0);

	make(w, HANG, NULL, 0);
	drop(w);
	make(w, HANG, NULL, 0);
	pid = begin(w);
	drop(w);
	assert_int_equal(exit_status_of(pid) & 0x7f, SIGKILL);
	assert_int_equal(count_fds(), w->n_fds);
}

/* Options ------------------------------------------------------------------------------------ */

static void test_commands_that_cannot_be(void **state) {
	static const struct {
		const char *command;
		int warn;
		const char *reason;
	} cases[] = {
		{"'", 0, "''' is not a command: empty, or a quote is not closed"},
		{"  ", 0, "' ' is not a command: empty, or a quote is not closed"},
		{"'' a", 0, "''' a' is not a command: empty, or a quote is not closed"},
		{"/nowhere/check -x", 0,
		 "'/nowhere/check -x': cannot execute '/nowhere/check': No such file or directory"},
		{"sdwd-test-no-such-command", 0,
		 "'sdwd-test-no-such-command': cannot execute 'sdwd-test-no-such-command': No such "
		 "file or directory"},
		{"/etc/passwd", 0,
		 "'/etc/passwd': cannot execute '/etc/passwd': Permission denied"},
		{"/", 0, "'/': cannot execute '/': Permission denied"},
		{"true", 126,
		 "--exec-warn=126: this exit code says that the command cannot be run"},
		{"true", 127,
		 "--exec-warn=127: this exit code says that the command cannot be run"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exec_settings s = {.warn = cases[i].warn};
		char reason[512];
		struct text error = TEXT_OVER(reason);

		assert_true(exec_settings_check(cases[i].command, &s, &error) < 0);
		if (i != 1)
			assert_string_equal(reason, cases[i].reason);
		else
			assert_non_null(strstr(reason, "is not a command"));
		exec_settings_done(&s);
		exec_settings_done(&s);
	}
}

static void test_a_shells_command_is_the_shells_to_find(void **state) {
	struct exec_settings s = {0};

	assert_int_equal(exec_settings_check("/nowhere/check | true", &s, NULL), 0);
	assert_string_equal(s.command.argv[0], "/bin/sh");
	exec_settings_done(&s);
	assert_int_equal(exec_settings_check("cat '/my status'", &s, NULL), 0);
	assert_string_equal(s.command.argv[0], "cat");
	assert_string_equal(s.command.argv[1], "/my status");
	assert_null(s.command.argv[2]);
	exec_settings_done(&s);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_good),
		CASE(test_the_first_line_that_shows_anything),
		CASE(test_a_cut_output_never_matches),
		CASE(test_a_look_knows_nothing_of_the_last_one),
		CASE(test_the_environment_is_the_owners),
		CASE(test_the_verdict_is_the_exit_not_the_end_of_output),
		CASE(test_the_deadline_kills_the_group),
		CASE(test_an_end_in_time_counts_though_nobody_reaped_it),
		CASE(test_a_stopped_check_is_no_end),
		CASE(test_a_look_waits_for_the_end_of_the_last_run),
		CASE(test_a_run_that_outlives_its_kill_fails_the_next_look),
		CASE(test_a_waiting_look_that_cannot_begin_says_so),
		CASE(test_cancel_ends_all_and_tells_nothing),
		CASE(test_others_are_not_its_own),
		CASE(test_what_we_lack_is_unknown),
		CASE(test_a_flood_is_read_in_turns),
		CASE(test_a_flood_at_the_end_is_bounded_too),
		CASE(test_done_works_in_every_stage),
		cmocka_unit_test(test_commands_that_cannot_be),
		cmocka_unit_test(test_a_shells_command_is_the_shells_to_find),
	};

	setenv("PATH", "/usr/bin:/bin", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
