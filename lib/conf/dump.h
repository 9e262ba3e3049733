/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/* The text of --help: usage, then the options in groups, at most 80 columns wide. */
void dump_help(const struct probe_kind *const *kinds, conf_line_t *on_line, void *context);

/*
 * --dump-options: one line per option, separated by tabs: its name, its argument ("[FD]": optional)
 * or "-", its default as people read it or "-", its scope, and its help. The scope is "service",
 * "probe", or the name of a probe's kind, for the option that makes it and for those that only that
 * kind has.
 */
void dump_options(const struct probe_kind *const *kinds, conf_line_t *on_line, void *context);
