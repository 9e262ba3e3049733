/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/* --exec: a command of the operator's looks, and its exit status is the answer. */
extern const struct probe_class probe_exec;
