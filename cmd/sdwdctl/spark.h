/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

#include "paper.h"

/* How many looks an instance tells at most. */
#define SPARK_MAX 32U

/*
 * Writes the newest @max looks of @probe (Probe of sdwd.Supervisor), the newest last: a bar each,
 * its height the latency against the longest one shown (but at least SPARK_FLOOR_USEC), failures,
 * unknown ones and warnings marked.  Takes what it needs from *@room.
 */
void spark_put(const struct paper *p, struct json_object *probe, unsigned max, unsigned *room);

/* Below it, latencies are told apart by nobody: 10 ms. */
#define SPARK_FLOOR_USEC 10000
