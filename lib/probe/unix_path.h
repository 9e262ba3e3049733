/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"

/*
 * For option tables: a Unix socket to connect to, a path or "@name" for an abstract one. The field
 * is a struct dial_target; its n_addresses is 0 where the option was not given.
 */
opt_parse_t unix_path_parse;

/* With the folder of the start, if the path was relative. */
opt_write_t unix_path_write;
