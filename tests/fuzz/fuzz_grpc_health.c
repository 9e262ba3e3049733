/* SPDX-License-Identifier: MIT */
/*
 * The first byte: bit 0 HTTP/2, bit 1 another HTTP status than 200, the rest the size of the pieces
 * of the body. Then lines, the first of them the service and the others headers, up to an empty
 * one; then the body.
 */
#include "core/grpc_health.h"

#include "fuzz.h"

/* An exact heap block: reading one byte too far is seen. */
static char *copy(const uint8_t *data, size_t size) {
	char *block = malloc(size > 0 ? size : 1);

	must(block != NULL);
	if (size > 0)
		memcpy(block, data, size);
	return block;
}

/* Takes a line, without its end, from the front of *@data. */
static const uint8_t *take_line(const uint8_t **data, size_t *size, size_t *ret_length) {
	const uint8_t *line = *data, *end = *size > 0 ? memchr(line, '\n', *size) : NULL;
	size_t length = end ? (size_t)(end - line) : *size, taken = end ? length + 1 : length;

	*data += taken;
	*size -= taken;
	*ret_length = length;
	return line;
}

static void add_body(struct grpc_reply *a, const uint8_t *data, size_t size, size_t piece) {
	for (size_t at = 0; at < size; at += piece) {
		size_t n = MIN(piece, size - at);
		char *block = copy(data + at, n);

		grpc_reply_body(a, block, n);
		free(block);
	}
}

/* The request for the longest beginning of a line that is the name of a service: what it says is
 * there again. */
static void check_request(const uint8_t *line, size_t length, char service[GRPC_SERVICE_MAX]) {
	unsigned char buffer[GRPC_REQUEST_MAX];
	size_t n, head;

	length = MIN(length, (size_t)GRPC_SERVICE_MAX - 1);
	memcpy(service, line, length);
	service[length] = '\0';
	length = strlen(service);
	n = grpc_health_request(buffer, service);
	must(n <= sizeof(buffer) && buffer[0] == 0 && buffer[1] == 0 && buffer[2] == 0);
	must((size_t)(buffer[3] << 8 | buffer[4]) == n - 5);
	if (length == 0) {
		must(n == 5);
		return;
	}
	head = length > 127 ? 8 : 7;
	must(n == head + length && buffer[5] == 0x0a);
	must(length > 127 ? (size_t)((buffer[6] & 0x7f) | buffer[7] << 7) == length
			  : buffer[6] == length);
	must(memcmp(buffer + head, service, length) == 0);
}

static struct outcome judge(const struct grpc_reply *a, const char *service) {
	struct outcome o;

	grpc_reply_judge(a, service, &o);
	must(o.cause < CAUSE_MAX && text_is_utf8(o.text, strlen(o.text)));
	must(memchr(a->message, '\0', sizeof(a->message)) != NULL);
	must(memchr(a->content_type, '\0', sizeof(a->content_type)) != NULL);
	must(a->length <= sizeof(a->body) && a->status >= -1);
	return o;
}

/* Nothing else is good. */
static bool may_pass(const struct grpc_reply *a) {
	if (!a->is_http2 || a->http_status != 200 || a->status != 0 || a->is_too_long)
		return false;
	/* The shortest answer that has the state, 1, somewhere in it. */
	return a->length >= 7 && memchr(a->body + 5, 1, a->length - 5) != NULL &&
	       (size_t)(a->body[3] << 8 | a->body[4]) == a->length - 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct grpc_reply whole, split;
	char service[GRPC_SERVICE_MAX];
	struct outcome one, two;
	const uint8_t *line;
	size_t length, piece;

	if (size < 1)
		return 0;
	grpc_reply_init(&whole);
	whole.is_http2 = data[0] & 1;
	whole.http_status = data[0] & 2 ? 404 : 200;
	piece = (size_t)(data[0] >> 2) + 1;
	data++, size--;

	line = take_line(&data, &size, &length);
	check_request(line, length, service);
	while (size > 0) {
		char *header;

		line = take_line(&data, &size, &length);
		if (length == 0)
			break;
		header = copy(line, length);
		grpc_reply_header(&whole, header, length);
		free(header);
	}

	split = whole;
	add_body(&whole, data, size, size > 0 ? size : 1);
	add_body(&split, data, size, piece);
	must(memcmp(&whole, &split, sizeof(whole)) == 0);
	must(whole.is_too_long == (size > GRPC_BODY_MAX));

	one = judge(&whole, service);
	two = judge(&split, service);
	must(one.cause == two.cause && strcmp(one.text, two.text) == 0);
	must(one.cause != CAUSE_OK || may_pass(&whole));
	return 0;
}
