/* SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "sys/dial.h"

/*
 * Where @name, which is no address, is now: resolved if that is done in good time, else as it was
 * when it last was resolved, as the request says.  What was resolved goes back with the reply.
 * Returns true with *@ret, or false with *@o: UNKNOWN, cause `dns`.
 */
bool resolve_target(struct ask *a, const char *name, uint16_t port, struct dial_target *ret,
		    struct outcome *o);
