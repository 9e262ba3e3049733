/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

extern const struct probe_class probe_notify;

/*
 * What the relay hands on to --notify. @is_service_ready: READY=1 was said for the whole service;
 * before that, and before the child's own READY=1, WATCHDOG=1 is remembered, but is no good
 * evidence. Calls on_outcome where it is.
 */
void notify_probe_feed(struct probe *p, const struct notify_msg *m, bool is_service_ready);

/* The lease that the next good evidence gives: USEC_INFINITY until the child's first WATCHDOG=1
 * (--notify alone). */
usec_t notify_probe_lease(const struct probe *p);
