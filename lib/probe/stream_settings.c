/* SPDX-License-Identifier: MIT */
#include "probe/stream_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/whole_file.h"

static int refuse(struct text *error, const char *value, const char *reason, int code) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s%s", opt_quoted(quoted, value), reason);
	return code;
}

/* The bytes as they stand: whoever needs a line end of another kind writes it into the file. */
static int read_file(const char *path, char **ret_data, size_t *ret_length, struct text *error) {
	char reason[128];
	struct text why = TEXT_OVER(reason);
	int r;

	text_add(&why, ": ");
	r = whole_file_read(path, STREAM_SEND_MAX, WHOLE_FILE_PATIENCE, ret_data, ret_length, &why);
	return r < 0 ? refuse(error, path, reason, r) : 0;
}

static int read_text(const char *value, char **ret_data, size_t *ret_length, struct text *error) {
	char *data = malloc(strlen(value) + 1);
	ptrdiff_t length;
	int r = 0;

	if (!data)
		return refuse(error, value, " does not fit into memory", -ENOMEM);
	length = text_unescape(data, value);
	if (length < 0)
		r = refuse(error, value, " has an unknown or unfinished escape in it", (int)length);
	else if (length > STREAM_SEND_MAX)
		r = refuse(error, value, " is larger than 16 KiB", -EFBIG);
	if (r < 0) {
		free(data);
		return r;
	}
	*ret_data = data;
	*ret_length = (size_t)length;
	return 0;
}

int stream_parse_send(const struct opt *o, const char *value, void *field, struct text *error) {
	const char *path = *value == '@' ? value + 1 : NULL;
	struct stream_text *text = field, parsed = {0};
	int r = path ? read_file(path, &parsed.data, &parsed.length, error)
		     : read_text(value, &parsed.data, &parsed.length, error);

	if (r < 0)
		return r;
	if (parsed.length == 0) {
		free(parsed.data);
		return refuse(error, path ? path : value, " is empty", -EINVAL);
	}
	free(text->data);
	*text = parsed;
	return 0;
}

/* What the kernel takes for the server, it also takes for one that hangs. */
const char *stream_note(const void *settings) {
	const struct stream_settings *s = settings;

	if (s->expect)
		return NULL;
	return s->send.data ? "without --expect a hang is not seen: nobody needs to read what "
			      "is sent"
			    : "without --expect a hang is not seen: the kernel accepts "
			      "connections for a hung server, too";
}

void stream_settings_done(void *settings) {
	struct stream_settings *s = settings;

	free(s->send.data);
	pattern_free(s->expect);
	memset(s, 0, sizeof(*s));
}
