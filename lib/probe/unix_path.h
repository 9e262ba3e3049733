/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"

struct dial_target;

/*
 * For option tables: a Unix socket to connect to, a path or "@name" for an abstract one. The field
 * is a struct dial_target; its n_addresses is 0 where the option was not given.
 */
opt_parse_t unix_path_parse;

/*
 * For struct probe_kind's note: what there is to say of the place of that socket, NULL: nothing. As
 * file_system_that_waits().
 */
const char *unix_path_note(const struct dial_target *target);

/* With the folder of the start, if the path was relative. */
opt_write_t unix_path_write;
