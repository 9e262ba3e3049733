/* SPDX-License-Identifier: MIT */
#include "conf/values.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "conf/conf.h"

#define NAME_MAX_LENGTH 64
/* A file name in the folder of the control sockets, with room for what stands around it. */
#define LABEL_MAX_LENGTH 80

static int refuse(struct text *error, const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return -EINVAL;
}

int value_parse_require(const struct opt *o, const char *value, void *field, struct text *error) {
	uint64_t n;

	if (strcmp(value, "all") == 0)
		n = 0;
	else if (strcmp(value, "any") == 0)
		n = 1;
	else if (text_parse_u64(value, 1, INT_MAX, &n) < 0)
		return refuse(error, value, "is not all, any or a number from 1");
	*(int *)field = (int)n;
	return 0;
}

bool value_is_caught_signal(int number) {
	static const int never[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS,
				    SIGFPE,  SIGILL,  SIGTRAP, SIGSYS};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (never[i] == number)
			return false;
	return true;
}

static int parse_caught_signal(const char *word, int *ret_number, struct text *error) {
	if (text_parse_signal(word, ret_number) < 0)
		return refuse(error, word, "is not a signal");
	if (!value_is_caught_signal(*ret_number))
		return refuse(error, word, "is not a signal that sdwd can catch and pass on");
	return 0;
}

int value_parse_caught_signal(const struct opt *o, const char *value, void *field,
			      struct text *error) {
	int number;
	int r;

	r = parse_caught_signal(value, &number, error);
	if (r < 0)
		return r;
	*(int *)field = number;
	return 0;
}

/* Calls @on_item for each item of the comma list @value. */
static int parse_list(const char *value, void *result,
		      int (*on_item)(char *item, void *result, struct text *error),
		      struct text *error) {
	char *copy = strdup(value), *rest = copy, *item;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (item = strsep(&rest, ",")))
		r = on_item(item, result, error);
	free(copy);
	return r;
}

static int stop_signal_item(char *item, void *result, struct text *error) {
	uint64_t *bits = result;
	int number;
	int r;

	r = parse_caught_signal(item, &number, error);
	if (r < 0)
		return r;
	*bits |= conf_signal_bit(number);
	return 0;
}

int value_parse_stop_signals(const struct opt *o, const char *value, void *field,
			     struct text *error) {
	uint64_t bits = 0;
	int r;

	r = parse_list(value, &bits, stop_signal_item, error);
	if (r < 0)
		return r;
	*(uint64_t *)field = bits;
	return 0;
}

/* Splits "A:B" in place; NULL where there is no colon. */
static char *split_pair(char *item) {
	char *colon = strchr(item, ':');

	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static int signal_map_item(char *item, void *result, struct text *error) {
	int *map = result, from, to = 0;
	char *second = split_pair(item);
	int r;

	if (!second)
		return refuse(error, item, "is not a pair of signals A:B");
	r = parse_caught_signal(item, &from, error);
	if (r < 0)
		return r;
	if (strcmp(second, "0") != 0 && text_parse_signal(second, &to) < 0)
		return refuse(error, second, "is not a signal, nor 0 (drop it)");
	map[from] = to;
	return 0;
}

int value_parse_signal_map(const struct opt *o, const char *value, void *field,
			   struct text *error) {
	int map[SIGNAL_MAX + 1];
	int r;

	memcpy(map, field, sizeof(map));
	r = parse_list(value, map, signal_map_item, error);
	if (r < 0)
		return r;
	memcpy(field, map, sizeof(map));
	return 0;
}

static int exit_map_item(char *item, void *result, struct text *error) {
	char *second = split_pair(item);
	uint64_t from, to;
	int *map = result;

	if (!second)
		return refuse(error, item, "is not a pair of exit codes A:B");
	if (text_parse_u64(item, 0, 255, &from) < 0)
		return refuse(error, item, "is not an exit code (0-255)");
	if (text_parse_u64(second, 0, 255, &to) < 0)
		return refuse(error, second, "is not an exit code (0-255)");
	map[from] = (int)to;
	return 0;
}

int value_parse_exit_map(const struct opt *o, const char *value, void *field, struct text *error) {
	int map[256];
	int r;

	memcpy(map, field, sizeof(map));
	r = parse_list(value, map, exit_map_item, error);
	if (r < 0)
		return r;
	memcpy(field, map, sizeof(map));
	return 0;
}

int value_parse_window(const struct opt *o, const char *value, void *field, struct text *error) {
	struct probe_conf *p = container_of((unsigned *)field, struct probe_conf, window_failures);
	const char *slash = strchr(value, '/');
	uint64_t failures, looks;
	char first[8];

	if (slash && (size_t)(slash - value) < sizeof(first)) {
		memcpy(first, value, (size_t)(slash - value));
		first[slash - value] = '\0';
		if (text_parse_u64(slash + 1, 1, o->maximum, &looks) == 0 &&
		    text_parse_u64(first, 1, looks, &failures) == 0) {
			p->window_failures = (unsigned)failures;
			p->window_looks = (unsigned)looks;
			return 0;
		}
	}
	return refuse(error, value, "is not X/Y with 1 <= X <= Y <= 64");
}

static bool has_control(const char *value) {
	return !text_is_clean(value, strlen(value));
}

int value_parse_label(const struct opt *o, const char *value, void *field, struct text *error) {
	if (has_control(value))
		return refuse(error, value, "has control characters or is no UTF-8");
	if (strchr(value, '/') || *value == '.')
		return refuse(error, value, "cannot name a file (no '/', no '.' in front)");
	if (strlen(value) > LABEL_MAX_LENGTH)
		return refuse(error, value, "is longer than 80 bytes");
	return opt_parse_string(o, value, field, error);
}

int value_parse_name(const struct opt *o, const char *value, void *field, struct text *error) {
	if (has_control(value))
		return refuse(error, value, "has control characters");
	if (strlen(value) > NAME_MAX_LENGTH)
		return refuse(error, value, "is longer than 64 bytes");
	if (strcmp(value, "process") == 0)
		return refuse(error, value, "is the name of the look at the process itself");
	return opt_parse_string(o, value, field, error);
}

int value_parse_command(const struct opt *o, const char *value, void *field, struct text *error) {
	bool needs_shell = false, is_empty = false;
	char **words;
	int r;

	r = words_split(value, &words, &needs_shell);
	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		is_empty = !needs_shell && (!words[0] || words[0][0] == '\0');
		words_free(words);
	}
	/* The shell will find the rest that may be wrong. */
	if (*value != '\0' && (r < 0 || is_empty))
		return refuse(error, value, "is not a command: empty, or a quote is not closed");
	return opt_parse_string(o, value, field, error);
}

int value_parse_once(const struct opt *o, const char *value, void *field, struct text *error) {
	if (*(char *const *)field)
		return refuse(error, value, "can be given only once");
	return opt_parse_string(o, value, field, error);
}
