/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

extern const struct probe_class probe_listen_queue;
