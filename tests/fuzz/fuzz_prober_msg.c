/* SPDX-License-Identifier: MIT */
/*
 * The input is one packet, read as a request and as a reply.  What a decoder takes is written again
 * and must be the same bytes: there is one form of each message.  And made of the same bytes, both
 * are what they were once they are written and read.
 */
#include "core/prober_msg.h"

#include "fuzz.h"

/* The other way round: what sdwd and its prober may say to each other is understood as it was
 * said, whatever stands in it. */
static size_t take_addresses(struct prober_address *addresses, const char *data, size_t size) {
	size_t n = MIN(size / 21, (size_t)PROBER_ADDRESSES_MAX);

	for (size_t i = 0; i < n; i++, data += 21) {
		struct prober_address *a = &addresses[i];

		a->is_ipv6 = data[0] & 1;
		memcpy(a->bytes, data + 1, a->is_ipv6 ? 16 : 4);
		if (a->is_ipv6)
			memcpy(&a->zone, data + 17, sizeof(a->zone));
	}
	return n;
}

static bool has_addresses(const struct prober_address *a, size_t n_a,
			  const struct prober_address *b, size_t n_b) {
	bool is_same = n_a == n_b;

	for (size_t i = 0; is_same && i < n_a; i++)
		is_same = a[i].is_ipv6 == b[i].is_ipv6 && a[i].zone == b[i].zone &&
			  memcmp(a[i].bytes, b[i].bytes, sizeof(a[i].bytes)) == 0;
	return is_same;
}

static void check_said(const char *data, size_t size) {
	static char packet[PROBER_REQUEST_MAX];
	struct prober_request request = {0}, asked;
	struct prober_reply reply = {0}, answered;
	size_t length;

	if (size < 12)
		return;
	memcpy(&request.id, data, sizeof(request.id));
	request.id |= 1;
	memcpy(&request.deadline_at, data + 4, sizeof(request.deadline_at));
	request.n_addresses = take_addresses(request.addresses, data + 12, size - 12);
	request.words = "tcp\0\0timeout=1s";
	request.words_length = sizeof("tcp\0\0timeout=1s");
	length = prober_request_head(packet, &request);
	must(length <= PROBER_HEAD_MAX);
	memcpy(packet + length, request.words, request.words_length);
	must(prober_request_decode(&asked, packet, length + request.words_length) == 0);
	must(asked.id == request.id && asked.deadline_at == request.deadline_at);
	must(has_addresses(asked.addresses, asked.n_addresses, request.addresses,
			   request.n_addresses));
	must(asked.words_length == request.words_length);

	reply.id = request.id;
	reply.cause = (enum cause)((unsigned char)data[4] % CAUSE_MAX);
	reply.n_addresses = take_addresses(reply.addresses, data + 12, size - 12);
	text_clean(reply.text, sizeof(reply.text), data + 5, size - 5);
	length = prober_reply_encode(packet, &reply);
	must(length <= PROBER_REPLY_MAX);
	must(prober_reply_decode(&answered, packet, length) == 0);
	must(answered.id == reply.id && answered.cause == reply.cause);
	must(strcmp(answered.text, reply.text) == 0);
	must(has_addresses(answered.addresses, answered.n_addresses, reply.addresses,
			   reply.n_addresses));
}

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
	check_said(copy, size);
	free(copy);
	return 0;
}
