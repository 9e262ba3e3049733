/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"

/* Parsers of values that only struct conf has. The contract is opt_parse_t's. */

opt_parse_t value_parse_require;       /* int of conf.require */
opt_parse_t value_parse_caught_signal; /* int: a signal that sdwd can pass on */
opt_parse_t value_parse_stop_signals;  /* uint64_t of conf.stop_signals; replaces all */
opt_parse_t value_parse_signal_map;    /* conf.signal_map; adds */
opt_parse_t value_parse_exit_map;      /* conf.exit_map; adds */
opt_parse_t value_parse_window;        /* probe_conf.window_failures and window_looks */
opt_parse_t value_parse_label;         /* char *: also the name of a file */
opt_parse_t value_parse_name;          /* char *: also a word in STATUS and in metrics */
opt_parse_t value_parse_command;       /* char *: as a shell would read it */
opt_parse_t value_parse_once;          /* char *: a second use is an error */

/* True where sdwd can catch @number: not KILL and STOP, not SIGCHLD, not the fault signals. */
bool value_is_caught_signal(int number);
