/* SPDX-License-Identifier: MIT */
#pragma once

#include "client.h"

struct stream;

/* All instances there are, each of which tells its changes (Watch, with "more"). */
struct streams {
	int epoll; /* streams_feed() when it is readable */
	char *const *words;
	size_t n_words;
	struct stream **list;
	size_t n;
	size_t n_bytes;  /* that they hold */
	bool is_changed; /* since the reader set it to false */
};

/* Begins with none; @words (borrowed) are the labels that are wanted, none: all. Returns 0 or a
 * negative errno. */
int streams_open(struct streams *all, char *const *words, size_t n_words);
void streams_close(struct streams *all);

/* streams_feed() returns when @fd is readable as well. Returns 0 or a negative errno. */
int streams_feed_also(struct streams *all, int fd);

/* Looks which sockets there are: begins new ones, and those again that could not be asked. */
void streams_scan(struct streams *all);

/* Reads what came. Waits at most @timeout_usec, with @mask as the signal mask. */
void streams_feed(struct streams *all, usec_t timeout_usec, const void *mask);

/*
 * The instances that answered and are wanted, into *@ret (the caller's to free, its elements valid
 * until the next call).  @ret_n_bad: how many are not believed, or do not answer.  Returns their
 * number or a negative errno.
 */
ptrdiff_t streams_list(const struct streams *all, const struct instance ***ret, size_t *ret_n_bad);
