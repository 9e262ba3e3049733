/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "core/outcome.h"

/*
 * What sdwd asks its prober, and what the prober answers.  One message is one packet of a
 * SOCK_SEQPACKET pair, so nothing has to be put together again.  A request holds all that is needed
 * to answer it: the prober keeps nothing of one request for the next, and a new prober needs to be
 * told nothing.
 *
 * Both ends run on one machine and in one time namespace: deadlines are CLOCK_MONOTONIC, and a
 * request that waited for a prober that did not run is late, not longer.
 *
 * Pure.  The decoders take bytes from a peer that may have been taken over: every length is
 * checked, and nothing may be left over.
 */

/* An IP address without a port. Plain data. */
struct prober_address {
	bool is_ipv6;
	uint32_t zone;     /* of a link-local IPv6 address, else 0 */
	uint8_t bytes[16]; /* IPv4: the first four, then zeros */
};

#define PROBER_ADDRESSES_MAX 8

/* What one request may say, and the largest packets in each direction. */
#define PROBER_WORDS_MAX (60 * 1024)
#define PROBER_HEAD_MAX 256
#define PROBER_REQUEST_MAX (PROBER_HEAD_MAX + PROBER_WORDS_MAX)
#define PROBER_REPLY_MAX 512

/*
 * How much earlier than the look's own deadline the prober must answer, at most: that a server did
 * not answer in time is a reply, that the prober did not is none.
 */
#define PROBER_MARGIN_USEC (100 * USEC_PER_MSEC)

/*
 * How much of the @left_usec of a look may go into finding the addresses of a name. Where some are
 * known they will do as well, so it is a quarter; else three, and one is left to connect in.
 */
usec_t prober_resolve_time(usec_t left_usec, bool is_known);

struct prober_request {
	uint32_t id;        /* not 0; the reply has the same */
	usec_t deadline_at; /* CLOCK_MONOTONIC: the reply must be on its way by then */
	/* The last good addresses of the name that is looked at, for as long as it cannot be
	 * resolved. */
	struct prober_address addresses[PROBER_ADDRESSES_MAX];
	size_t n_addresses;
	/*
	 * Words, a NUL behind each and none empty but the target: what is asked (the name of a kind
	 * of probe, or of another service of the prober's), its target, then options as "name" or
	 * "name=value". Borrowed: after decoding from the packet.
	 */
	const char *words;
	size_t words_length;
};

struct prober_reply {
	uint32_t id;
	enum cause cause;
	char text[OUTCOME_TEXT_MAX];                           /* one clean line */
	struct prober_address addresses[PROBER_ADDRESSES_MAX]; /* resolved now; none: keep yours */
	size_t n_addresses;
};

/*
 * Writes what stands before the words: they follow it in the same packet. Returns the length.
 */
size_t prober_request_head(char buffer[static PROBER_HEAD_MAX], const struct prober_request *r);

/* Writes the whole packet. Returns the length. */
size_t prober_reply_encode(char buffer[static PROBER_REPLY_MAX], const struct prober_reply *r);

/* Reads one packet. Returns 0, or -EBADMSG; @ret is written on success only. */
int prober_request_decode(struct prober_request *ret, const char *data, size_t length);
int prober_reply_decode(struct prober_reply *ret, const char *data, size_t length);

/* What @r says, as an outcome; of the verdict it is the cause that decides. */
void prober_reply_outcome(const struct prober_reply *r, struct outcome *ret);

/*
 * The word behind @word of @r, or NULL behind the last one; @word NULL: the first. A decoded
 * request has at least two words.
 */
const char *prober_request_word(const struct prober_request *r, const char *word);
