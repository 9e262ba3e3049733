/* SPDX-License-Identifier: MIT */
/*
 * The first byte chooses what the filter keeps and whether it sets a status; the rest is the
 * message, and behind a 0x01 byte in it the status.
 */
#include "core/notify_msg.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const unsigned keeps[] = {0,
					 NOTIFY_OTHER,
					 NOTIFY_OTHER | NOTIFY_STATUS,
					 NOTIFY_STATUS | NOTIFY_READY,
					 ~(unsigned)NOTIFY_MAINPID,
					 ~0U};
	char *buffer, *message, *status = NULL, escaped[64];
	struct notify_msg m, sent;
	const uint8_t *mark;
	size_t length, n;
	unsigned keep;
	int r;

	if (size == 0)
		return 0;
	keep = keeps[data[0] % ARRAY_SIZE(keeps)];
	data++, size--;
	mark = size > 0 ? memchr(data, 1, size) : NULL;
	length = mark ? (size_t)(mark - data) : size;
	/* Exact heap blocks: reading or writing one byte too far is seen. */
	message = malloc(length ? length : 1);
	buffer = malloc(NOTIFY_MSG_MAX);
	must(message && buffer);
	if (length > 0)
		memcpy(message, data, length);
	if (mark) {
		status = calloc(1, size - length);
		must(status);
		memcpy(status, mark + 1, size - length - 1);
	}

	r = notify_msg_parse(&m, message, length);
	must(r == 0 || m.fields == 0);
	if (m.fields & NOTIFY_STATUS)
		must(m.status >= message && m.status + m.status_length <= message + length &&
		     text_is_utf8(m.status, m.status_length));

	n = notify_msg_filter(buffer, message, length, keep, status);
	must(n <= NOTIFY_MSG_MAX);
	if (n > 0) {
		/* What is sent is well-formed, and nothing in it is what we did not want to send.
		 */
		must(notify_msg_parse(&sent, buffer, n) == 0);
		must((sent.fields & ~(keep | (status ? NOTIFY_STATUS : 0U))) == 0);
		must(r == 0 || (sent.fields & ~(unsigned)NOTIFY_STATUS) == 0);
		must(!memchr(buffer, '\0', n) && !memchr(buffer, '\r', n));
		if (!status)
			must((sent.fields & ~m.fields) == 0);
	}
	if (status) {
		n = notify_msg_escape(escaped, sizeof(escaped), status);
		must(n < sizeof(escaped) && strlen(escaped) == n && !strchr(escaped, '\n'));
	}
	free(status);
	free(buffer);
	free(message);
	return 0;
}
