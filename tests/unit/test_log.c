/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/text.h"

/* What reached the sink last. */
struct seen {
	unsigned n;
	enum log_level level;
	const char *message_id;
	char message[LOG_MESSAGE_MAX + 1];
	const struct log_field *fields;
	size_t n_fields;
};

static void remember(void *context, const struct log_entry *entry) {
	struct seen *seen = context;

	seen->n++;
	seen->level = entry->level;
	seen->message_id = entry->message_id;
	seen->fields = entry->fields;
	seen->n_fields = entry->n_fields;
	assert_true(strlen(entry->message) < LOG_MESSAGE_MAX);
	strcpy(seen->message, entry->message);
	errno = EIO;
}

/* Runs first: what the program has before anything is set. */
static void default_is_a_line_on_stderr(void **state) {
	char buffer[4096];
	ptrdiff_t n;
	int pipe_fds[2], saved = dup(STDERR_FILENO);

	assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
	log_info("one %d", 1);
	log_debug("unseen");
	log_error("%02000d", 7);
	dup2(saved, STDERR_FILENO);
	fd_close(saved);
	fd_close(pipe_fds[1]);
	n = fd_read_all(pipe_fds[0], buffer, sizeof(buffer));
	fd_close(pipe_fds[0]);

	assert_memory_equal(buffer, "sdwd: one 1\nsdwd: 0000", 22);
	assert_int_equal(n, 12 + 6 + LOG_MESSAGE_MAX - 1 + 1);
	assert_int_equal(buffer[n - 1], '\n');
}

static void entries_reach_the_sink_whole(void **state) {
	static const struct log_field fields[] = {{"SDWD_PROBE", "http"}, {"SDWD_STATE", "up"}};
	struct seen seen = {0};

	log_set_sink(remember, &seen);
	errno = ENOENT;
	log_event(LOG_LEVEL_WARNING, "0123456789abcdef0123456789abcdef", fields, 2, "%s is %d", "x",
		  5);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.level, LOG_LEVEL_WARNING);
	assert_string_equal(seen.message_id, "0123456789abcdef0123456789abcdef");
	assert_string_equal(seen.message, "x is 5");
	assert_ptr_equal(seen.fields, fields);
	assert_int_equal(seen.n_fields, 2);
}

static void message_is_one_clean_line(void **state) {
	struct seen seen = {0};

	log_set_sink(remember, &seen);
	log_info("a\nb\x1b[31m\xff\n");
	assert_string_equal(seen.message, "a?b?[31m?");
}

static void long_messages_are_cut_at_a_character(void **state) {
	struct seen seen = {0};
	char text[LOG_MESSAGE_MAX * 2 + 1];

	for (size_t i = 0; i < LOG_MESSAGE_MAX; i++)
		memcpy(text + 2 * i, "\xc3\xa9", 3);
	log_set_sink(remember, &seen);
	log_info("%s", text);
	assert_int_equal(strlen(seen.message), (LOG_MESSAGE_MAX - 1) / 2 * 2);
	assert_null(strchr(seen.message, '?'));
}

static void level_holds_back(void **state) {
	struct seen seen = {0};

	log_set_sink(remember, &seen);
	log_set_level(LOG_LEVEL_WARNING);
	assert_int_equal(log_get_level(), LOG_LEVEL_WARNING);
	log_notice("no");
	log_info("no");
	log_debug("no");
	assert_int_equal(seen.n, 0);
	log_warning("yes");
	log_error("yes");
	assert_int_equal(seen.n, 2);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.level, LOG_LEVEL_DEBUG);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_is_a_line_on_stderr),
		cmocka_unit_test(entries_reach_the_sink_whole),
		cmocka_unit_test(message_is_one_clean_line),
		cmocka_unit_test(long_messages_are_cut_at_a_character),
		cmocka_unit_test(level_holds_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
