/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "core/outcome.h"

/*
 * The service grpc.health.v1.Health, as its public protocol describes it: what is sent to Check,
 * and what an answer says. Connection and HTTP/2 are others' business.
 *
 * Pure.  The answer is a stranger's: every length is checked.
 */

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

#define GRPC_SERVICE_MAX 256
#define GRPC_REQUEST_MAX (GRPC_SERVICE_MAX + 16)
/* Of an answer; it needs 7 bytes, and may have fields that are not known here. */
#define GRPC_BODY_MAX 4096

struct grpc_reply {
	bool is_http2;
	int http_status;
	char content_type[64]; /* "": none was said */
	int status;            /* grpc-status; -1: none came */
	char message[128];     /* grpc-message, as it came */
	unsigned char body[GRPC_BODY_MAX];
	size_t length;
	bool is_too_long; /* there was more */
};

/* Nothing has come yet. */
void grpc_reply_init(struct grpc_reply *a);

/* Writes the body of the request, which asks for @service ("": the whole server). Returns its
 * length. */
size_t grpc_health_request(unsigned char buffer[static GRPC_REQUEST_MAX], const char *service);

/* A header or trailer of the response, without its end of line. The last one of a name counts. */
void grpc_reply_header(struct grpc_reply *a, const char *line, size_t length);

/* Part of the response's body. */
void grpc_reply_body(struct grpc_reply *a, const void *data, size_t length);

/* The response has ended, whole: what it says of @service. */
void grpc_reply_judge(const struct grpc_reply *a, const char *service, struct outcome *ret);
