/* SPDX-License-Identifier: MIT */
#include "probe/stream_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

static int refuse(struct text *error, const char *value, const char *reason, int code) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s%s", opt_quoted(quoted, value), reason);
	return code;
}

/* The bytes as they stand: whoever needs a line end of another kind writes it into the file. */
static ptrdiff_t read_file(char *buffer, const char *path, struct text *error) {
	cleanup(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ptrdiff_t length = fd < 0 ? -errno : fd_read_all(fd, buffer, STREAM_SEND_MAX + 1);
	char reason[128];
	struct text t = TEXT_OVER(reason);

	if (length >= 0)
		return length;
	text_addf(&t, ": %s", strerror((int)-length));
	return refuse(error, path, reason, (int)length);
}

int stream_parse_send(const struct opt *o, const char *value, void *field, struct text *error) {
	const char *path = *value == '@' ? value + 1 : NULL;
	struct stream_text *text = field;
	ptrdiff_t length;
	char *data;

	data = malloc(path ? STREAM_SEND_MAX + 1 : strlen(value) + 1);
	if (!data)
		return refuse(error, value, " does not fit into memory", -ENOMEM);
	if (path)
		length = read_file(data, path, error);
	else if ((length = text_unescape(data, value)) < 0)
		refuse(error, value, " has an unknown or unfinished escape in it", (int)length);
	if (length == 0)
		length = refuse(error, path ? path : value, " is empty", -EINVAL);
	else if (length > STREAM_SEND_MAX)
		length = refuse(error, path ? path : value, " is larger than 16 KiB", -EFBIG);
	if (length < 0) {
		free(data);
		return (int)length;
	}
	free(text->data);
	*text = (struct stream_text){data, (size_t)length};
	return 0;
}

/* What the kernel takes for the server, it also takes for one that hangs. */
const char *stream_note(const void *settings) {
	const struct stream_settings *s = settings;

	if (s->expect)
		return NULL;
	return s->send.data ? "nobody needs to read what is sent: a hung server still passes; "
			      "--expect asks for an answer"
			    : "the kernel accepts connections also for a hung server, which so "
			      "passes; --expect asks for an answer";
}

void stream_settings_done(void *settings) {
	struct stream_settings *s = settings;

	free(s->send.data);
	match_free(s->expect);
	memset(s, 0, sizeof(*s));
}
