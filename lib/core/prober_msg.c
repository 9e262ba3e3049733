/* SPDX-License-Identifier: MIT */
#include "core/prober_msg.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

/*
 * Numbers are little-endian, whatever the machine is.
 *
 *   request: 'Q' version, id 4, deadline 8, n 1, n addresses, words
 *   reply:   'A' version, id 4, cause 1, n 1, n addresses, text length 1, text
 *   address: 4 or 6, zone 4, 16 bytes
 */

#define VERSION 1
#define REQUEST 'Q'
#define REPLY 'A'
#define IPV4_BYTES 4

usec_t prober_resolve_time(usec_t left_usec, bool is_known) {
	usec_t quarter = left_usec / 4;

	return is_known ? quarter : left_usec - quarter;
}

struct writer {
	char *at;
};

static void put(struct writer *w, uint64_t number, int n_bytes) {
	for (int i = 0; i < n_bytes; i++)
		*w->at++ = (char)(number >> 8 * i & 0xff);
}

static void put_bytes(struct writer *w, const void *bytes, size_t length) {
	memcpy(w->at, bytes, length);
	w->at += length;
}

static void put_addresses(struct writer *w, const struct prober_address *addresses, size_t n) {
	assert(n <= PROBER_ADDRESSES_MAX);
	put(w, n, 1);
	for (size_t i = 0; i < n; i++) {
		put(w, addresses[i].is_ipv6 ? 6 : 4, 1);
		put(w, addresses[i].zone, 4);
		put_bytes(w, addresses[i].bytes, sizeof(addresses[i].bytes));
	}
}

size_t prober_request_head(char buffer[static PROBER_HEAD_MAX], const struct prober_request *r) {
	struct writer w = {buffer};

	put(&w, REQUEST, 1);
	put(&w, VERSION, 1);
	put(&w, r->id, 4);
	put(&w, r->deadline_at, 8);
	put_addresses(&w, r->addresses, r->n_addresses);
	return (size_t)(w.at - buffer);
}

size_t prober_reply_encode(char buffer[static PROBER_REPLY_MAX], const struct prober_reply *r) {
	struct writer w = {buffer};
	size_t length = strlen(r->text);

	put(&w, REPLY, 1);
	put(&w, VERSION, 1);
	put(&w, r->id, 4);
	put(&w, r->cause, 1);
	put_addresses(&w, r->addresses, r->n_addresses);
	put(&w, length, 1);
	put_bytes(&w, r->text, length);
	return (size_t)(w.at - buffer);
}

/* What is read of a packet. Once something is missing or wrong it stays so. */
struct reader {
	const char *at;
	size_t left;
	bool is_bad;
};

static const char *take_bytes(struct reader *r, size_t length) {
	const char *bytes = r->at;

	if (r->is_bad || length > r->left) {
		r->is_bad = true;
		return NULL;
	}
	r->at += length;
	r->left -= length;
	return bytes;
}

static uint64_t take(struct reader *r, size_t n_bytes) {
	const char *bytes = take_bytes(r, n_bytes);
	uint64_t number = 0;

	for (size_t i = 0; bytes && i < n_bytes; i++)
		number |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
	return number;
}

static void expect(struct reader *r, bool is_right) {
	r->is_bad |= !is_right;
}

static bool is_clean_address(const struct prober_address *a) {
	static const uint8_t zeros[sizeof(a->bytes)];

	return a->is_ipv6 || (a->zone == 0 && memcmp(a->bytes + IPV4_BYTES, zeros,
						     sizeof(a->bytes) - IPV4_BYTES) == 0);
}

/* Returns how many. */
static size_t take_addresses(struct reader *r, struct prober_address *addresses) {
	uint64_t n = take(r, 1);

	expect(r, n <= PROBER_ADDRESSES_MAX);
	for (size_t i = 0; !r->is_bad && i < n; i++) {
		struct prober_address *a = &addresses[i];
		uint64_t family = take(r, 1);
		const char *bytes;

		a->zone = (uint32_t)take(r, 4);
		bytes = take_bytes(r, sizeof(a->bytes));
		if (!bytes)
			break;
		memcpy(a->bytes, bytes, sizeof(a->bytes));
		a->is_ipv6 = family == 6;
		expect(r, (family == 4 || family == 6) && is_clean_address(a));
	}
	return r->is_bad ? 0 : (size_t)n;
}

static uint32_t take_start(struct reader *r, char type) {
	uint64_t id;

	expect(r, take(r, 1) == (uint64_t)type);
	expect(r, take(r, 1) == VERSION);
	id = take(r, 4);
	expect(r, id != 0);
	return (uint32_t)id;
}

/* At least kind and target, each with its NUL; none but the target is empty. */
static bool are_words(const char *words, size_t length) {
	size_t n = 0;

	if (length == 0 || words[length - 1] != '\0')
		return false;
	for (const char *w = words; w < words + length; w += strlen(w) + 1, n++)
		if (*w == '\0' && n != 1)
			return false;
	return n >= 2;
}

int prober_request_decode(struct prober_request *ret, const char *data, size_t length) {
	struct reader r = {.at = data, .left = length};
	struct prober_request request = {0};

	request.id = take_start(&r, REQUEST);
	request.deadline_at = take(&r, 8);
	request.n_addresses = take_addresses(&r, request.addresses);
	request.words = r.at;
	request.words_length = r.left;
	expect(&r, r.left <= PROBER_WORDS_MAX);
	if (r.is_bad || !are_words(request.words, request.words_length))
		return -EBADMSG;
	*ret = request;
	return 0;
}

int prober_reply_decode(struct prober_reply *ret, const char *data, size_t length) {
	struct reader r = {.at = data, .left = length};
	struct prober_reply reply = {0};
	char clean[OUTCOME_TEXT_MAX];
	uint64_t cause, text_length;
	const char *text;

	reply.id = take_start(&r, REPLY);
	cause = take(&r, 1);
	expect(&r, cause < CAUSE_MAX);
	reply.cause = (enum cause)cause;
	reply.n_addresses = take_addresses(&r, reply.addresses);
	text_length = take(&r, 1);
	expect(&r, text_length < sizeof(reply.text) && text_length == r.left);
	text = take_bytes(&r, (size_t)text_length);
	if (r.is_bad || !text)
		return -EBADMSG;
	memcpy(reply.text, text, (size_t)text_length);
	if (text_clean(clean, sizeof(clean), text, (size_t)text_length) != text_length ||
	    memcmp(clean, text, (size_t)text_length) != 0)
		return -EBADMSG;
	*ret = reply;
	return 0;
}

void prober_reply_outcome(const struct prober_reply *r, struct outcome *ret) {
	outcome_set(ret, r->cause, NULL);
	if (r->text[0] != '\0')
		outcome_set(ret, r->cause, "%s", r->text);
}

const char *prober_request_word(const struct prober_request *r, const char *word) {
	word = word ? word + strlen(word) + 1 : r->words;
	return word < r->words + r->words_length ? word : NULL;
}
