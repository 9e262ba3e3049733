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
