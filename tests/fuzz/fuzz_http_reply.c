/* SPDX-License-Identifier: MIT */
#include "core/http_reply.h"

#include "fuzz.h"

#define EACH_PLACE_MAX 128

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

static void compare(const struct http_reply *a, const struct http_reply *b) {
	must(a->state == b->state && a->status == b->status && a->error == b->error);
	must(a->received == b->received && a->will_close == b->will_close);
	must(a->body_length == b->body_length && a->has_head == b->has_head);
	must(memcmp(a->body, b->body, a->body_length) == 0);
	must(strcmp(a->location, b->location) == 0);
}

/* Two pieces, cut at each place of a short one. */
static void check_each_place(const struct http_reply *whole, const char *data, size_t size,
			     unsigned flags) {
	static struct http_reply cut;

	for (size_t at = 1; size <= EACH_PLACE_MAX && at < size; at++) {
		http_reply_init(&cut, flags & 1);
		http_reply_feed(&cut, data, at);
		http_reply_feed(&cut, data + at, size - at);
		if (flags & 2)
			http_reply_end(&cut);
		compare(whole, &cut);
	}
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
	compare(&whole, &split);
	compare(&whole, &single);
	check_each_place(&whole, response, size, flags);
	return 0;
}
