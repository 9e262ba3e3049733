/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static void stderr_sink(void *context, const struct log_entry *entry) {
	char line[LOG_MESSAGE_MAX + 16];
	struct text t = TEXT_OVER(line);

	text_addf(&t, "sdwd: %s\n", entry->message);
	/* One write per line keeps lines of several processes whole; nobody could be told of a
	 * failure. */
	(void)!write(STDERR_FILENO, t.data, t.length);
}

static struct {
	log_sink_t *sink;
	void *context;
	enum log_level level;
} state = {.sink = stderr_sink, .level = LOG_LEVEL_INFO};

void log_set_sink(log_sink_t *sink, void *context) {
	state.sink = sink;
	state.context = context;
}

void log_set_level(enum log_level level) {
	state.level = level;
}

enum log_level log_get_level(void) {
	return state.level;
}

void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	       size_t n_fields, const char *format, ...) {
	char raw[LOG_MESSAGE_MAX], message[LOG_MESSAGE_MAX];
	struct text t = TEXT_OVER(raw);
	struct log_entry entry = {
		.level = level,
		.message_id = message_id,
		.message = message,
		.fields = fields,
		.n_fields = n_fields,
	};
	int saved = errno;
	va_list arguments;

	if (level > state.level)
		return;
	va_start(arguments, format);
	text_addv(&t, format, arguments);
	va_end(arguments);
	/* Parts of a message come from children and peers. */
	text_clean(message, sizeof(message), t.data, t.length);
	state.sink(state.context, &entry);
	errno = saved;
}
