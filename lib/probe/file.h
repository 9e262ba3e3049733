/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/*
 * One look: OK, with a text that another look has only if the file has not changed; MISSING; or
 * SELF. May hang where file_system_that_waits() says so.
 */
void file_look(const char *path, struct outcome *ret);

extern const struct probe_class probe_file;
