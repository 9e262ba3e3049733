/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

#include "metrics.h"

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM, METRICS_INFO };

/* What is told in one family of metrics. */
enum metrics_scope { OF_ALL, OF_INSTANCE, OF_PROBE };

/* Which field a sample is made of, and how. */
enum metrics_source {
	FROM_FUNCTION,
	FROM_COUNT,    /* a number */
	FROM_DURATION, /* microseconds */
	FROM_AGE,      /* microseconds since then: told as the moment, because an age would be old
			  when it is read */
	FROM_FLAG,     /* a boolean */
	FROM_WORD,     /* one sample for each of words, 1 for the one that it says */
};

struct metrics_page;

struct metrics_family {
	const char *name; /* without the _total of a counter and the _info of an info */
	const char *help;
	enum metrics_type type;
	enum metrics_scope scope;
	enum metrics_source source;
	const char *field;
	const char *label;        /* FROM_WORD */
	const char *const *words; /* FROM_WORD, NULL at the end */

	/* FROM_FUNCTION. @s is NULL OF_ALL, @probe is NULL but OF_PROBE. */
	void (*print)(const struct metrics_page *p, const struct metrics_subject *s,
		      struct json_object *probe);
};

/* Where it is written, and which family is being written. */
struct metrics_page {
	FILE *out;
	enum metrics_format format;
	const struct metrics_subjects *subjects;
	usec_t realtime_usec;
	const struct metrics_family *family;
};

/* Its HELP and TYPE. */
void metrics_page_head(const struct metrics_page *p);

/*
 * A sample up to its value: the name, @suffix, and the labels of @s, of @probe and @label="@word",
 * each left out where it is NULL.
 */
void metrics_page_sample(const struct metrics_page *p, const char *suffix,
			 const struct metrics_subject *s, struct json_object *probe,
			 const char *label, const char *word);

/* The value, and the end of the line. */
void metrics_page_count(const struct metrics_page *p, int64_t number);
void metrics_page_seconds(const struct metrics_page *p, usec_t usec);

#define METRICS_SECONDS_MAX 32

/* @usec as seconds, "0.005" or "1.0". Returns @buffer. */
const char *metrics_seconds(char buffer[static METRICS_SECONDS_MAX], usec_t usec);
