/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/*
 * Reads the command line: long options, '--x=value', and '--x value' where the value is not
 * optional. Abbreviations are not taken: a new option must not change what an old command line
 * means. Reading stops at the first word that is no option, or behind "--"; the rest is copied as
 * the command. It also stops at once at --help and --version (-h, -V): @c->do_help, do_version.
 * The first error wins: one line in @error. Returns 0, -EINVAL, or -ENOMEM.
 */
int args_parse(struct conf *c, int argc, char **argv, const struct probe_kind *const *kinds,
	       struct text *error);

/*
 * Finds the file that --config names among the options, wherever it stands there; the first one
 * where there are several, which args_parse() refuses. *@ret_path points into @argv, or is NULL:
 * none is named, or something is printed instead of running, for which none is needed. Returns 0 or
 * -ENOMEM.
 */
int args_find_config(int argc, char **argv, const struct probe_kind *const *kinds,
		     const char **ret_path);
