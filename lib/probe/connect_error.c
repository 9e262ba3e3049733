/* SPDX-License-Identifier: MIT */
#include "probe/connect_error.h"

#include <errno.h>
#include <string.h>

#include "base/usec.h"

void outcome_from_connect(struct outcome *o, int error) {
	switch (-error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		outcome_from_errno(o, "connect", -error);
		return;
	case ECONNREFUSED:
		outcome_set(o, CAUSE_CONNECT_REFUSED, NULL);
		return;
	case ECONNRESET:
	case EPIPE:
		/* A SYN is refused; what is reset was a connection already. */
		outcome_set(o, CAUSE_READ_FAILED, "the connection broke: %s", strerror(-error));
		return;
	case ETIMEDOUT:
		outcome_set(o, CAUSE_CONNECT_TIMEOUT, NULL);
		return;
	default:
		outcome_set(o, CAUSE_CONNECT_FAILED, "cannot connect: %s", strerror(-error));
	}
}

void outcome_connect_late(struct outcome *o, usec_t within_usec, bool is_queue_full) {
	char within[USEC_STR_MAX];

	outcome_set(o, CAUSE_CONNECT_TIMEOUT, "no connection within %s%s",
		    usec_str_short(within, within_usec),
		    is_queue_full ? ": the server's listen queue is full" : "");
}
