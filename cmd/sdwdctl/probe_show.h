/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/trial.h"

/* A probe that was not looked at, and why. */
struct probe_skip {
	const struct probe_conf *conf;
	const char *reason;
};

/*
 * What all looks say together: the worst of those that are not optional, or of as many of the best
 * as @require asks for (0: all). From good to bad: PASS, WARN, UNKNOWN, FAIL.
 */
enum verdict probe_verdict(const struct trial_look *looks, size_t n_looks, int require);

/* One line on stdout for each, in columns. */
void probe_show(const struct trial_look *looks, size_t n_looks, const struct probe_skip *skips,
		size_t n_skips);

/* The one line of a monitoring plugin, with performance data. */
void probe_show_nagios(const struct trial_look *looks, size_t n_looks, enum verdict verdict);

/* The same where nothing was looked at: UNKNOWN, and why. */
void probe_show_nagios_error(const char *reason);
