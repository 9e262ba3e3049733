/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/*
 * The class of every probe that the prober looks for (conf_needs_prober(), unless the kind's own
 * class asks), whatever its kind: it asks, and tells what was answered.  Its kind is NULL; the
 * probe's conf has the kind.
 */
extern const struct probe_class probe_remote;
