/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/outcome.h"

/*
 * What a failed connection (@error: a negative errno of dial_start() or on_done) says: of the
 * service (FAIL), or of ourselves, where we were out of fds, memory or ports (UNKNOWN).
 */
void outcome_from_connect(struct outcome *o, int error);

/* No connection came about within the look's @within_usec. @is_queue_full: as of struct dial. */
void outcome_connect_late(struct outcome *o, usec_t within_usec, bool is_queue_full);
