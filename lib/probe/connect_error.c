/* SPDX-License-Identifier: MIT */
#include "probe/connect_error.h"

#include <errno.h>
#include <string.h>

void outcome_from_connect(struct outcome *o, int error) {
	switch (-error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
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
