/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* syslog(3) levels, as journald and the <N> prefix of sd-daemon(3) know them. */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* One structured field beside the message, "SDWD_PROBE" and its value; both are borrowed for the
 * call. */
struct log_field {
	const char *name;
	const char *value;
};

struct log_entry {
	enum log_level level;
	const char *message_id; /* 32 lower-case hex digits, or NULL */
	const char *message;    /* one line, without a line end */
	const struct log_field *fields;
	size_t n_fields;
};

/* Enough for the longest message; more is cut. */
#define LOG_MESSAGE_MAX 1024

/* Takes one entry. It must not block and must not log. */
typedef void log_sink_t(void *context, const struct log_entry *entry);

/* Where entries go from now on. At first: "sdwd: message" on stderr by write(2). @context is
 * borrowed. */
void log_set_sink(log_sink_t *sink, void *context);

/* Entries above @level are dropped before they are made. At first: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Logs one entry with its fields. errno is kept. */
void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	       size_t n_fields, const char *format, ...) printf_like(5, 6);

#define log_error(...) log_event(LOG_LEVEL_ERR, NULL, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, NULL, NULL, 0, __VA_ARGS__)
#define log_notice(...) log_event(LOG_LEVEL_NOTICE, NULL, NULL, 0, __VA_ARGS__)
#define log_info(...) log_event(LOG_LEVEL_INFO, NULL, NULL, 0, __VA_ARGS__)
#define log_debug(...) \
	do { \
		if (log_get_level() >= LOG_LEVEL_DEBUG) \
			log_event(LOG_LEVEL_DEBUG, NULL, NULL, 0, __VA_ARGS__); \
	} while (0)
