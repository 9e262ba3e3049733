/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/* --pidfile=PATH and --forking: what they say is in the supervisor's hands (app/adopt.h), which
 * feeds their outcomes. */
extern const struct probe_class probe_pidfile;
extern const struct probe_class probe_forking;
