/* SPDX-License-Identifier: MIT */
#include "probe/heartbeat.h"

#include "process.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "probe/notify.h"

#include "new_loop.h"

struct world {
	struct ev_loop *loop;
	struct probe_owner owner;
	struct heartbeat_settings settings;
	struct probe_conf conf;
	struct probe *p;
	int child;    /* the child's end, as the child has it */
	bool is_slow; /* to hear the first words: a flood's turn takes less */
	char story[1 << 17];
	size_t n_fds;
};

static void tell(struct world *w, const char *what) {
	size_t length = strlen(w->story);

	snprintf(w->story + length, sizeof(w->story) - length, "%s%s", length > 0 ? " " : "", what);
}

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	struct world *w = container_of(owner, struct world, owner);

	assert_ptr_equal(p, w->p);
	assert_true(o->cause == CAUSE_OK || o->cause == CAUSE_CLOSED);
	assert_true(o->text[0] != '\0');
	tell(w, o->cause == CAUSE_OK                       ? "beat"
		: strstr(o->text, "before the first beat") ? "closed-early"
							   : "closed");
}

static void on_words(struct probe_owner *owner, struct probe *p, const struct notify_msg *m) {
	static const struct {
		unsigned field;
		const char *name;
	} names[] = {
		{NOTIFY_READY, "READY"},
		{NOTIFY_STATUS, "STATUS"},
		{NOTIFY_STOPPING, "STOPPING"},
		{NOTIFY_WATCHDOG, "WATCHDOG"},
		{NOTIFY_WATCHDOG_TRIGGER, "TRIGGER"},
		{NOTIFY_WATCHDOG_USEC, "USEC"},
		{NOTIFY_EXTEND_TIMEOUT, "EXTEND"},
	};
	struct world *w = container_of(owner, struct world, owner);
	usec_t taken = usec_taken();

	assert_ptr_equal(p, w->p);
	while (w->is_slow && usec_sub(usec_taken(), taken) < 20 * USEC_PER_MSEC) {
	}
	w->is_slow = false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (m->fields & names[i].field)
			tell(w, names[i].name);
}

static void make(struct world *w, int fd) {
	char reason[256];
	struct text error = TEXT_OVER(reason);

	w->settings.fd = fd;
	w->conf = (struct probe_conf){.kind = probe_heartbeat.kind, .settings = &w->settings};
	w->p = calloc(1, probe_heartbeat.size);
	assert_non_null(w->p);
	*w->p = (struct probe){
		.class = &probe_heartbeat,
		.conf = &w->conf,
		.owner = &w->owner,
		.loop = w->loop,
	};
	assert_int_equal(probe_heartbeat.init(w->p, &error), 0);
}

static void drop(struct world *w) {
	if (w->p) {
		probe_heartbeat.done(w->p);
		probe_heartbeat.done(w->p);
	}
	free(w->p);
	w->p = NULL;
	w->child = fd_close(w->child);
}

/* The child is started: it has its end, sdwd no longer. */
static void attach(struct world *w) {
	int as;

	w->child = fcntl(heartbeat_child_end(w->p, &as), F_DUPFD_CLOEXEC, 3);
	assert_true(w->child >= 0);
	probe_heartbeat.attach(w->p);
}

static int setup(void **state) {
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = new_loop();
	w->owner = (struct probe_owner){.on_outcome = on_outcome, .on_words = on_words};
	w->child = -1;
	w->n_fds = count_fds();
	*state = w;
	return 0;
}

static int teardown(void **state) {
	struct world *w = *state;

	drop(w);
	assert_int_equal(count_fds(), w->n_fds);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

static void say(struct world *w, const char *text) {
	assert_int_equal(write(w->child, text, strlen(text)), strlen(text));
}

/* What was told since the last call, after a turn of the loop. */
static const char *story(struct world *w) {
	static char told[sizeof(w->story)];

	ev_run(w->loop, EVRUN_NOWAIT);
	strcpy(told, w->story);
	w->story[0] = '\0';
	return told;
}

/* Numbers --------------------------------------------------------------------------------- */

static void test_both_ends_are_non_blocking_and_ours_alone(void **state) {
	struct world *w = *state;
	int child, as;

	make(w, -1);
	child = heartbeat_child_end(w->p, &as);
	assert_int_equal(as, -1);
	assert_true(fcntl(child, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(child, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(child, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_int_equal(count_fds(), w->n_fds + 2);
	probe_heartbeat.attach(w->p);
	assert_int_equal(heartbeat_child_end(w->p, &as), -1);
	assert_int_equal(count_fds(), w->n_fds + 1);
}

/* Of the test that runs; what is inherited is a matter of the process. */
static struct probe *chooser;

static void inherits(int fd) {
	CHECK(dup2(STDERR_FILENO, fd) == fd);
}

static void choose_the_lowest(void) {
	int taken[] = {5, 8}, as;

	CHECK(heartbeat_choose_fd(chooser, NULL, 0) == 3);
	CHECK(heartbeat_choose_fd(chooser, taken, 2) == 3);
	inherits(3);
	inherits(4);
	inherits(7);
	CHECK(heartbeat_choose_fd(chooser, NULL, 0) == 5);
	CHECK(heartbeat_choose_fd(chooser, taken, 1) == 6);
	/* One of ours, which the child does not get. */
	CHECK(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) == 5);
	CHECK(heartbeat_choose_fd(chooser, NULL, 0) == 5);
	CHECK(heartbeat_choose_fd(chooser, taken, 2) == 6);
	heartbeat_child_end(chooser, &as);
	CHECK(as == 6);
}

static void test_the_lowest_free_number_from_3(void **state) {
	struct world *w = *state;

	make(w, -1);
	chooser = w->p;
	isolated(choose_the_lowest);
}

static void choose_9(void) {
	int taken[] = {12}, as;

	CHECK(heartbeat_choose_fd(chooser, taken, 1) == 9);
	heartbeat_child_end(chooser, &as);
	CHECK(as == 9);
	inherits(9);
	CHECK(heartbeat_choose_fd(chooser, NULL, 0) == -EEXIST);
}

static void choose_12(void) {
	int taken[] = {12};

	CHECK(heartbeat_choose_fd(chooser, taken, 1) == -EEXIST);
	CHECK(heartbeat_choose_fd(chooser, taken, 0) == 12);
}

static void test_a_settled_number_is_that_or_none(void **state) {
	struct world *w = *state;

	make(w, 9);
	chooser = w->p;
	isolated(choose_9);
	drop(w);
	make(w, 12);
	chooser = w->p;
	isolated(choose_12);
}

static void test_another_kind_has_no_number(void **state) {
	struct probe other = {.class = &probe_notify};
	struct heartbeat_settings settings = {.fd = 9};
	struct probe_conf conf = {.kind = probe_notify.kind, .settings = &settings};

	other.conf = &conf;
	assert_int_equal(heartbeat_choose_fd(&other, NULL, 0), -EINVAL);
}

static void test_the_options_value(void **state) {
	static const char *const wrong[] = {"",   "0",  "2",  "1024", "x",  "-1",
					    "+5", " 5", "5 ", "0x5",  "5.0"};
	const struct probe_kind *kind = probe_heartbeat.kind;
	struct heartbeat_settings s = {0};
	char reason[256];

	assert_int_equal(kind->check(NULL, &s, NULL), 0);
	assert_int_equal(s.fd, -1);
	assert_int_equal(kind->check("3", &s, NULL), 0);
	assert_int_equal(s.fd, 3);
	assert_int_equal(kind->check("1023", &s, NULL), 0);
	assert_int_equal(s.fd, 1023);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct text error = TEXT_OVER(reason);

		assert_int_equal(kind->check(wrong[i], &s, &error), -EINVAL);
		assert_non_null(strstr(reason, wrong[i]));
	}
}

static void test_a_wrong_value_is_shown_clean(void **state) {
	struct heartbeat_settings s;
	char reason[256];
	struct text error = TEXT_OVER(reason);

	assert_int_equal(probe_heartbeat.kind->check("\x1b[31m\n\xff", &s, &error), -EINVAL);
	assert_string_equal(reason, "'?[31m?\?' is not an fd number from 3 to 1023");
}

/* Beats -------------------------------------------------------------------------------------- */

static void test_what_a_child_may_write_first(void **state) {
	static const struct {
		const char *text, *story;
	} cases[] = {
		{"\n", "beat"},
		{"x", "beat"},
		{"\1\2\377", "beat"},
		{"beat\n", "beat"},
		{"a\nb\nc\n\n\n", "beat"},
		{"READY=1\n", "beat READY"},
		{"WATCHDOG=1\n", "beat WATCHDOG"},
		{"STATUS=step 1\n", "STATUS"},
		{"STATUS=\n", "STATUS"},
		{"WATCHDOG_USEC=500000\n", "USEC"},
		{"EXTEND_TIMEOUT_USEC=500000\n", "EXTEND"},
		{"STOPPING=1\n", "STOPPING"},
		{"WATCHDOG=trigger\n", "TRIGGER"},
		/* what only looks like words */
		{"STATUSX=1\n", "beat"},
		{"READY=0\n", "beat"},
		{"READY\n", "beat"},
		{"ready=1\n", "beat"},
		{"FOO=1\n", "beat"},
		/* words for the notify socket alone, and what only its parser would find */
		{"FDSTORE=1\n", "beat"},
		{"RELOADING=1\nMAINPID=1\n", "beat"},
		{"READY=1\rRELOADING=1\n", "beat READY"},
		{"\rSTATUS=a\n", "beat"},
		{"S\\TATUS=a\n", "beat"},
		/* order */
		{"STATUS=a\n\n", "STATUS beat"},
		{"\nSTATUS=a\n", "beat STATUS"},
		{"STATUS=a\nREADY=1\nSTATUS=b\n", "STATUS beat READY beat STATUS"},
		{"\nWATCHDOG=trigger\n", "beat TRIGGER"},
		{"WATCHDOG=trigger\n\n", "TRIGGER beat"},
		{"\nSTOPPING=1\n\n", "beat STOPPING beat"},
		/* a line may still become words: wait for its end */
		{"S", ""},
		{"STATUS=not ended", ""},
		{"WATCHDOG=tri", ""},
		{"Sx", "beat"},
		{"STATUS=a\nSTATUS=b", "STATUS"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *told;

		make(w, -1);
		attach(w);
		assert_string_equal(story(w), "");
		say(w, cases[i].text);
		told = story(w);
		if (strcmp(told, cases[i].story) != 0)
			fail_msg("'%s': '%s', not '%s'", cases[i].text, told, cases[i].story);
		assert_string_equal(story(w), "");
		drop(w);
	}
}

/* Bytes that are read one by one say what they say together. */
static void test_pieces_say_what_the_whole_does(void **state) {
	static const char *const texts[] = {
		"STATUS=a\n",  "WATCHDOG=trigger\n", "FDSTORE=1\nSTATUS=a\n",
		"MAINPID=1\n", "\rSTATUS=a\n",       "S\\TATUS=a\nSTATUS=b\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool has_beaten;

		make(w, -1);
		attach(w);
		say(w, texts[i]);
		has_beaten = strstr(story(w), "beat") != NULL;
		drop(w);

		make(w, -1);
		attach(w);
		for (const char *p = texts[i]; *p != '\0'; p++) {
			assert_int_equal(write(w->child, p, 1), 1);
			ev_run(w->loop, EVRUN_NOWAIT);
		}
		if ((strstr(story(w), "beat") != NULL) != has_beaten)
			fail_msg("'%s' beats only %s", texts[i],
				 has_beaten ? "whole" : "in pieces");
		drop(w);
	}
}

static void test_after_a_beat_every_word_but_the_bad_ones_is_one(void **state) {
	struct world *w = *state;

	make(w, -1);
	attach(w);
	say(w, ".\n");
	assert_string_equal(story(w), "beat");
	say(w, "STATUS=a\n");
	assert_string_equal(story(w), "beat STATUS");
	say(w, "WATCHDOG_USEC=1000\n");
	assert_string_equal(story(w), "beat USEC");
	say(w, "STAT");
	assert_string_equal(story(w), "beat");
	say(w, "US=b\n");
	assert_string_equal(story(w), "beat STATUS");
	say(w, "WATCHDOG=trigger\n");
	assert_string_equal(story(w), "TRIGGER");
	say(w, "STOPPING=1\n");
	assert_string_equal(story(w), "STOPPING");
}

static void test_a_line_in_pieces_is_one_line(void **state) {
	static const char line[] = "WATCHDOG=trigger\nREADY=1\n";
	struct world *w = *state;
	char all[64] = "";

	make(w, -1);
	attach(w);
	for (size_t i = 0; i + 1 < sizeof(line); i++) {
		const char *told;

		say(w, (char[]){line[i], '\0'});
		told = story(w);
		if (told[0] != '\0')
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s;", told);
	}
	assert_string_equal(all, "TRIGGER;beat READY;");
}

static void test_a_line_without_end_is_a_beat_and_stays_bounded(void **state) {
	struct world *w = *state;
	char data[3000];

	make(w, -1);
	attach(w);
	memset(data, 'y', sizeof(data));
	memcpy(data, "STATUS=", 7);
	data[sizeof(data) - 1] = '\0';
	say(w, data);
	assert_string_equal(story(w), "beat");
	/* Its end makes no words of it. */
	say(w, "\n");
	assert_string_equal(story(w), "beat");
	/* The next line is understood again. */
	say(w, "STATUS=a\n");
	assert_string_equal(story(w), "beat STATUS");
}

static void test_a_flood_is_read_in_turns_and_told_once_in_each(void **state) {
	struct world *w = *state;
	static char data[1 << 18];
	int before, after;

	make(w, -1);
	attach(w);
	/* More than an unprivileged user's limit may allow: as much as we get. */
	if (fcntl(w->child, F_SETPIPE_SZ, (int)sizeof(data)) < 0)
		assert_int_equal(errno, EPERM);
	while (write(w->child, data, sizeof(data)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ioctl(w->child, FIONREAD, &before), 0);
	assert_string_equal(story(w), "beat");
	assert_int_equal(ioctl(w->child, FIONREAD, &after), 0);
	assert_true(before - after <= 1 << 16);
	assert_true(before > after);

	/* A slow machine makes it rest meanwhile. */
	while (after > 0 || w->p->rests_until_at > 0) {
		/* Who reads without a pause never earns the time back. */
		(void)usleep(w->p->rests_until_at > 0 ? 1000 : 0);
		probe_heartbeat.drain(w->p);
		assert_int_equal(ioctl(w->child, FIONREAD, &after), 0);
	}
	w->story[0] = '\0';
	say(w, "\n");
	assert_string_equal(story(w), "beat");
}

static void test_a_turn_ends_in_time_where_words_take_long(void **state) {
	struct world *w = *state;
	int before, after;

	make(w, -1);
	attach(w);
	w->is_slow = true;
	for (int i = 0; i < 4096; i++)
		say(w, "READY=1\n");
	assert_int_equal(ioctl(w->child, FIONREAD, &before), 0);
	(void)story(w);
	assert_int_equal(ioctl(w->child, FIONREAD, &after), 0);
	assert_int_equal(before - after, 4096);
	assert_true(w->p->rests_until_at > 0);
}

static void test_a_rest_ends_with_the_pipe(void **state) {
	struct world *w = *state;

	make(w, -1);
	attach(w);
	w->is_slow = true;
	for (int i = 0; i < 1024; i++)
		say(w, "READY=1\n");
	w->child = fd_close(w->child);
	(void)story(w);
	assert_true(w->p->rests_until_at > 0);
	w->story[0] = '\0';
	for (int turn = 0; turn < 100 && w->p->rests_until_at > 0; turn++)
		probe_heartbeat.drain(w->p);
	assert_non_null(strstr(w->story, "closed"));
	assert_int_equal(w->p->rests_until_at, 0);
}

static void test_drain_reads_what_the_loop_has_not(void **state) {
	struct world *w = *state;

	make(w, -1);
	attach(w);
	say(w, "\n");
	probe_heartbeat.drain(w->p);
	assert_string_equal(w->story, "beat");
	probe_heartbeat.drain(w->p);
	assert_string_equal(story(w), "beat");
}

/* End ---------------------------------------------------------------------------------------- */

static void hang_up(struct world *w) {
	w->child = fd_close(w->child);
}

static void test_the_end_is_told_once(void **state) {
	struct world *w = *state;

	make(w, -1);
	attach(w);
	say(w, "\n");
	hang_up(w);
	assert_string_equal(story(w), "beat closed");
	assert_int_equal(count_fds(), w->n_fds);
	probe_heartbeat.drain(w->p);
	assert_string_equal(story(w), "");
}

static void test_the_end_before_the_first_beat_has_other_words(void **state) {
	static const struct {
		const char *text, *story;
	} cases[] = {
		{"", "closed-early"},
		{"STATUS=a\n", "STATUS closed-early"},
		{"READY=1\n", "beat READY closed"},
		/* no line end behind the last */
		{"READY=1", "beat READY closed"},
		{"STATUS=a", "STATUS closed-early"},
		{"WATCHDOG=trigger", "TRIGGER closed-early"},
		{"x", "beat closed"},
		{"STAT", "beat closed"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *told;

		make(w, -1);
		attach(w);
		say(w, cases[i].text);
		hang_up(w);
		told = story(w);
		if (strcmp(told, cases[i].story) != 0)
			fail_msg("'%s': '%s', not '%s'", cases[i].text, told, cases[i].story);
		drop(w);
	}
}

static void test_another_writer_keeps_it_open(void **state) {
	struct world *w = *state;
	int other;

	make(w, -1);
	attach(w);
	other = fcntl(w->child, F_DUPFD_CLOEXEC, 3);
	hang_up(w);
	assert_string_equal(story(w), "");
	w->child = other;
	say(w, "\n");
	assert_string_equal(story(w), "beat");
}

static void test_done_works_in_every_stage(void **state) {
	struct world *w = *state;
	struct stat st;

	/* Zeroed: fd 0 is not the probe's to close. */
	w->p = calloc(1, probe_heartbeat.size);
	assert_non_null(w->p);
	w->p->class = &probe_heartbeat;
	w->p->loop = w->loop;
	assert_int_equal(fstat(0, &st), 0);
	drop(w);
	assert_int_equal(fstat(0, &st), 0);
	make(w, -1);
	drop(w);
	make(w, -1);
	attach(w);
	drop(w);
	assert_int_equal(count_fds(), w->n_fds);
	/* No watcher is left that could see what comes later. */
	assert_string_equal(story(w), "");
}

static void test_no_pipe_is_an_error_with_its_reason(void) {
	static const struct rlimit few = {.rlim_cur = 4, .rlim_max = 64};
	struct probe *p = calloc(1, probe_heartbeat.size);
	char reason[128];
	struct text error = TEXT_OVER(reason);

	CHECK(p && setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK(probe_heartbeat.init(p, &error) == -EMFILE);
	CHECK(strstr(reason, "--heartbeat") && strstr(reason, strerror(EMFILE)));
	probe_heartbeat.done(p);
	free(p);
}

static void test_errors(void **state) {
	isolated(test_no_pipe_is_an_error_with_its_reason);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_both_ends_are_non_blocking_and_ours_alone),
		CASE(test_the_lowest_free_number_from_3),
		CASE(test_a_settled_number_is_that_or_none),
		cmocka_unit_test(test_another_kind_has_no_number),
		cmocka_unit_test(test_the_options_value),
		cmocka_unit_test(test_a_wrong_value_is_shown_clean),
		CASE(test_what_a_child_may_write_first),
		CASE(test_pieces_say_what_the_whole_does),
		CASE(test_after_a_beat_every_word_but_the_bad_ones_is_one),
		CASE(test_a_line_in_pieces_is_one_line),
		CASE(test_a_line_without_end_is_a_beat_and_stays_bounded),
		CASE(test_a_flood_is_read_in_turns_and_told_once_in_each),
		CASE(test_a_turn_ends_in_time_where_words_take_long),
		CASE(test_a_rest_ends_with_the_pipe),
		CASE(test_drain_reads_what_the_loop_has_not),
		CASE(test_the_end_is_told_once),
		CASE(test_the_end_before_the_first_beat_has_other_words),
		CASE(test_another_writer_keeps_it_open),
		CASE(test_done_works_in_every_stage),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
