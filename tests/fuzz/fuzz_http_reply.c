/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "core/http_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

/* Feeds pieces of @piece bytes, 0: all at once, then perhaps the end. */
static void run(struct http_reply *r, const char *data, size_t size, size_t piece, unsigned flags) {
	http_reply_init(r, flags & 1);
	for (size_t done = 0; done < size;) {
		size_t n = piece > 0 && piece < size - done ? piece : size - done;

		http_reply_feed(r, data + done, n);
		done += n;
	}
	if (flags & 2)
		http_reply_end(r);
}

/* What the header promises of any result. */
static void check(const struct http_reply *r) {
	must(r->body_length <= HTTP_BODY_MAX);
	must(r->body[r->body_length] == '\0');
	must(memchr(r->location, '\0', sizeof(r->location)));
	must(r->has_head == (r->status != 0));
	must(r->status == 0 || (r->status >= 100 && r->status <= 999));
	must((r->state == HTTP_BROKEN) == (r->error != NULL));
	must(r->state != HTTP_CUT || r->body_length == HTTP_BODY_MAX);
	must(r->state == HTTP_BROKEN || r->state == HTTP_NEED_MORE || r->has_head);
}

/* The first byte: bit 0 a HEAD request, bit 1 the peer closes, the rest the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct http_reply whole, split, single;
	const char *response;
	unsigned flags;

	if (size < 1)
		return 0;
	flags = data[0];
	response = (const char *)data + 1;
	size--;

	/* However it is split, the result is the same. */
	run(&whole, response, size, 0, flags);
	run(&split, response, size, flags >> 2, flags);
	run(&single, response, size, 1, flags);
	check(&whole);
	must(whole.state == split.state && whole.state == single.state);
	must(whole.status == split.status && whole.status == single.status);
	must(whole.error == split.error && whole.error == single.error);
	must(whole.received == split.received && whole.received == single.received);
	must(whole.will_close == split.will_close && whole.will_close == single.will_close);
	must(whole.body_length == split.body_length && whole.body_length == single.body_length);
	must(memcmp(whole.body, split.body, whole.body_length) == 0);
	must(memcmp(whole.body, single.body, whole.body_length) == 0);
	must(strcmp(whole.location, split.location) == 0);
	must(strcmp(whole.location, single.location) == 0);
	return 0;
}
