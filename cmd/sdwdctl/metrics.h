/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "base/defs.h"
#include "client.h"

/*
 * The two ways to write metrics, which differ in what TYPE and HELP call a counter, and in the type
 * of sdwd_info: what Prometheus has always read (text format 0.0.4), and OpenMetrics 1.0.
 */
enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* What a time series of an instance is told by. */
struct metrics_subject {
	const struct instance *instance; /* borrowed */
	const char *unit;                /* borrowed; "": none */
	uid_t owner;   /* of the user manager that runs it; (uid_t)-1: none does */
	bool has_twin; /* its pid is told too: others have the same label, unit and owner */
};

/* All that is told. */
struct metrics_subjects {
	struct metrics_subject *list;
	size_t n;
	size_t n_failed; /* that gave no answer, were not believed, or are too many */
};

/*
 * Chooses of @all (borrowed, sorted here anew) what is told, so that no two of them have the same
 * labels. Returns 0 or -ENOMEM.
 */
int metrics_subjects_choose(struct metrics_subjects *s, const struct instances *all);
void metrics_subjects_done(struct metrics_subjects *s);

/* Writes all metrics; @realtime_usec is the time since 1970. */
void metrics_print(FILE *out, enum metrics_format format, const struct metrics_subjects *s,
		   usec_t realtime_usec);

/*
 * Puts @length bytes of @data in the place of the file @path, which is then the new one or the old
 * one as a whole, with mode 0644. Signals are held back meanwhile, so that nothing is left beside
 * it. Returns 0 or a negative errno, with @ret_what naming what failed (a constant text).
 */
int metrics_replace_file(const char *path, const void *data, size_t length, const char **ret_what);
