/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/*
 * What comes in over the control socket: Varlink calls (https://varlink.org), each one JSON object
 * (RFC 8259) with a NUL behind it.  Pure, and without allocation: who sends it is not trusted.
 */

/* A call with its NUL. */
#define VARLINK_CALL_MAX 4096
#define VARLINK_DEPTH_MAX 8
#define VARLINK_PARAMETERS_MAX 4
/* Of texts, with their NUL; what is longer is cut between two characters. */
#define VARLINK_NAME_MAX 128
#define VARLINK_TEXT_MAX 256

enum varlink_kind { VARLINK_NULL, VARLINK_BOOL, VARLINK_INT, VARLINK_STRING, VARLINK_OTHER };

struct varlink_parameter {
	char name[VARLINK_NAME_MAX];
	enum varlink_kind
		kind;   /* a number that is no int64_t is OTHER, as arrays and objects are */
	int64_t number; /* of INT; of BOOL 0 or 1 */
	char text[VARLINK_TEXT_MAX]; /* of STRING */
};

struct varlink_call {
	char method[VARLINK_NAME_MAX]; /* "interface.Method" */
	bool is_oneway, wants_more, wants_upgrade;
	struct varlink_parameter parameters[VARLINK_PARAMETERS_MAX];
	size_t n_parameters;
};

/* The length of the first message in the @length bytes of @data, without its NUL; -1: none is
 * complete. */
ptrdiff_t varlink_frame(const char *data, size_t length);

/*
 * Reads one message. Members of the call that nobody knows are left out, those that come twice
 * count as they come last. Returns 0; -EBADMSG where it is no call: broken JSON, invalid UTF-8, a
 * member of another type; or -E2BIG: more than VARLINK_DEPTH_MAX deep, or too many parameters.
 */
int varlink_parse(struct varlink_call *ret, const char *data, size_t length);

/* The parameter @name, or NULL. */
const struct varlink_parameter *varlink_find(const struct varlink_call *c, const char *name);
