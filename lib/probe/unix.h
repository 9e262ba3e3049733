/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"
#include "probe/stream_settings.h"

/* What the options of one unix probe say. */
struct unix_settings {
	struct stream_settings stream;
	int peer; /* 1: --peer=child */
};

/* --unix=PATH: the same as --tcp at an AF_UNIX stream socket. */
extern const struct probe_class probe_unix;
