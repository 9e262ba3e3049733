/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/* --http=URL, done in this process: http to a numeric address, localhost or a Unix socket. */
extern const struct probe_class probe_http;
