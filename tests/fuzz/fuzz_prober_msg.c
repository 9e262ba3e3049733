/* SPDX-License-Identifier: MIT */
/*
 * The input is one packet, read as a request and as a reply.  What a decoder takes is written again
 * and must be the same bytes: there is one form of each message.
 */

#include "core/prober_msg.h"

#include "fuzz.h"

static void check_request(const char *data, size_t size) {
	struct prober_request r;
	char head[PROBER_HEAD_MAX];
	const char *word = NULL;
	size_t length, n = 0;

	if (prober_request_decode(&r, data, size) < 0)
		return;
	must(r.id != 0 && r.n_addresses <= PROBER_ADDRESSES_MAX);
	must(r.words >= data && r.words + r.words_length == data + size);
	length = prober_request_head(head, &r);
	must(length + r.words_length == size && memcmp(head, data, length) == 0);
	while ((word = prober_request_word(&r, word))) {
		must(word + strlen(word) < data + size);
		n++;
	}
	must(n >= 2);
}

static void check_reply(const char *data, size_t size) {
	struct prober_reply r;
	char packet[PROBER_REPLY_MAX];

	if (prober_reply_decode(&r, data, size) < 0)
		return;
	must(r.id != 0 && r.cause < CAUSE_MAX && r.n_addresses <= PROBER_ADDRESSES_MAX);
	must(text_is_utf8(r.text, strlen(r.text)));
	must(prober_reply_encode(packet, &r) == size && memcmp(packet, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	/* An exact heap block: reading one byte too far is seen. */
	char *copy = malloc(size > 0 ? size : 1);

	must(copy);
	if (size > 0)
		memcpy(copy, data, size);
	check_request(copy, size);
	check_reply(copy, size);
	free(copy);
	return 0;
}
