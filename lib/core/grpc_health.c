/* SPDX-License-Identifier: MIT */
/*
 * A gRPC message is a byte that says whether it is compressed, four bytes of length (big-endian),
 * and that many bytes of Protocol Buffers: HealthCheckRequest has the service's name as field 1,
 * HealthCheckResponse a number as field 1.
 */
#include "core/grpc_health.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define PREFIX 5
#define FIELD_SERVICE (1 << 3 | 2) /* field 1, length and bytes */
#define FIELD_STATUS 1

enum wire_type { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_BYTES = 2, WIRE_4_BYTES = 5 };

static const char *const serving_names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
#define SERVING 1

static const char *const status_names[] = {
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
};
#define STATUS_NOT_FOUND 5
#define STATUS_UNIMPLEMENTED 12

void grpc_reply_init(struct grpc_reply *a) {
	*a = (struct grpc_reply){.status = -1};
}

size_t grpc_health_request(unsigned char buffer[static GRPC_REQUEST_MAX], const char *service) {
	size_t length = strlen(service), n = PREFIX;

	assert(length < GRPC_SERVICE_MAX);
	if (length > 0) {
		buffer[n++] = FIELD_SERVICE;
		if (length > 0x7f)
			buffer[n++] = (unsigned char)(length | 0x80);
		buffer[n++] = (unsigned char)(length > 0x7f ? length >> 7 : length);
		for (const char *p = service; *p != '\0'; p++)
			buffer[n++] = (unsigned char)*p;
	}
	memset(buffer, 0, PREFIX);
	buffer[3] = (unsigned char)((n - PREFIX) >> 8);
	buffer[4] = (unsigned char)(n - PREFIX);
	return n;
}

/* The value of the header @name in @line, without blanks around it, or NULL: another header. */
static const char *value_of(const char *name, const char *line, size_t *length) {
	size_t n = strlen(name);

	if (*length <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	line += n + 1;
	*length -= n + 1;
	while (*length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		(*length)--;
	}
	while (*length > 0 && (line[*length - 1] == ' ' || line[*length - 1] == '\t'))
		(*length)--;
	return line;
}

static int parse_status(const char *value, size_t length) {
	char digits[8] = "";
	uint64_t number;

	if (length >= sizeof(digits))
		return -1;
	memcpy(digits, value, length);
	return text_parse_u64(digits, 0, 9999, &number) < 0 ? -1 : (int)number;
}

void grpc_reply_header(struct grpc_reply *a, const char *line, size_t length) {
	size_t n = length;
	const char *value = value_of("grpc-status", line, &n);

	if (value) {
		a->status = parse_status(value, n);
		return;
	}
	value = value_of("grpc-message", line, &n);
	if (value) {
		(void)text_clean(a->message, sizeof(a->message), value, n);
		return;
	}
	value = value_of("content-type", line, &n);
	if (value)
		(void)text_clean(a->content_type, sizeof(a->content_type), value, n);
}

void grpc_reply_body(struct grpc_reply *a, const void *data, size_t length) {
	size_t n = MIN(length, sizeof(a->body) - a->length);

	memcpy(a->body + a->length, data, n);
	a->length += n;
	a->is_too_long |= n < length;
}

/* What is read of a message. */
struct reader {
	const unsigned char *at;
	size_t left;
};

static bool take_varint(struct reader *r, uint64_t *ret) {
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64 && r->left > 0; shift += 7) {
		unsigned char byte = *r->at++;

		r->left--;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = number;
			return true;
		}
	}
	return false;
}

/* The value of a field; of one that is not a number, only that it is there. */
static bool take_value(struct reader *r, enum wire_type type, uint64_t *ret) {
	uint64_t n;

	switch (type) {
	case WIRE_VARINT:
		return take_varint(r, ret);
	case WIRE_8_BYTES:
		n = 8;
		break;
	case WIRE_4_BYTES:
		n = 4;
		break;
	case WIRE_BYTES:
		if (!take_varint(r, &n))
			return false;
		break;
	default:
		return false;
	}
	if (n > r->left)
		return false;
	r->at += n;
	r->left -= (size_t)n;
	return true;
}

/* The state in HealthCheckResponse, 0 where the field is not there. False: it is no such message.
 */
static bool parse_response(const struct grpc_reply *a, uint64_t *ret) {
	struct reader r = {a->body + PREFIX, a->length - PREFIX};
	uint64_t tag, value = 0;

	*ret = 0;
	while (r.left > 0) {
		if (!take_varint(&r, &tag) || !take_value(&r, tag & 7, &value))
			return false;
		if (tag >> 3 != FIELD_STATUS)
			continue;
		if ((tag & 7) != WIRE_VARINT)
			return false;
		*ret = value;
	}
	return true;
}

static bool is_one_message(const struct grpc_reply *a) {
	return a->length >= PREFIX && a->body[0] == 0 && a->body[1] == 0 && a->body[2] == 0 &&
	       (size_t)(a->body[3] << 8 | a->body[4]) == a->length - PREFIX;
}

static void judge_status(const struct grpc_reply *a, const char *service, struct outcome *ret) {
	const char *name = (size_t)a->status < ARRAY_SIZE(status_names) ? status_names[a->status]
									: "no known status";

	if (a->status == STATUS_NOT_FOUND)
		outcome_set(ret, CAUSE_NOT_SERVING,
			    "the server does not know the service '%s' (5 NOT_FOUND)", service);
	else if (a->status == STATUS_UNIMPLEMENTED)
		outcome_set(ret, CAUSE_NOT_SERVING,
			    "the server does not implement grpc.health.v1.Health (12 "
			    "UNIMPLEMENTED)");
	else
		outcome_set(ret, CAUSE_NOT_SERVING, "the call failed: %d %s%s%s", a->status, name,
			    a->message[0] != '\0' ? ": " : "", a->message);
}

void grpc_reply_judge(const struct grpc_reply *a, const char *service, struct outcome *ret) {
	uint64_t serving;

	if (!a->is_http2)
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "the server does not speak HTTP/2");
	else if (a->http_status != 200)
		outcome_set(ret, CAUSE_HTTP_STATUS, "HTTP %d, and not a gRPC answer",
			    a->http_status);
	else if (strncasecmp(a->content_type, "application/grpc", strlen("application/grpc")) != 0)
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "not a gRPC answer: its type is '%s'",
			    a->content_type);
	else if (a->is_too_long)
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "the answer is too long (more than %d bytes)",
			    GRPC_BODY_MAX);
	else if (a->status < 0)
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "not a gRPC answer: it has no grpc-status");
	else if (a->status != 0)
		judge_status(a, service, ret);
	else if (!is_one_message(a) || !parse_response(a, &serving))
		outcome_set(ret, CAUSE_HTTP_PROTOCOL, "the answer is no HealthCheckResponse");
	else if (serving == SERVING)
		outcome_set(ret, CAUSE_OK, "SERVING");
	else if (serving < ARRAY_SIZE(serving_names))
		outcome_set(ret, CAUSE_NOT_SERVING, "says %s", serving_names[serving]);
	else
		outcome_set(ret, CAUSE_NOT_SERVING, "says %llu, which is no known state",
			    (unsigned long long)serving);
}
