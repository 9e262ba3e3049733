/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* Enough for every text that usec_str() makes. */
#define USEC_STR_MAX 64

/* The time now, CLOCK_MONOTONIC. The one clock of sdwd: the pure rooms get it as an argument. */
usec_t usec_now(void);

/*
 * What this thread has taken of a processor until now, CLOCK_THREAD_CPUTIME_ID (clock_gettime(2));
 * CLOCK_MONOTONIC where a filter of system calls keeps that from us. Only differences mean
 * anything.
 */
usec_t usec_taken(void);

/* @a + @b, and USEC_INFINITY where that overflows or either is USEC_INFINITY. */
usec_t usec_add(usec_t a, usec_t b);

/* @a - @b, and 0 where @b is the larger; USEC_INFINITY stays what it is. */
usec_t usec_sub(usec_t a, usec_t b);

/* @a * @n, and USEC_INFINITY where that overflows. */
usec_t usec_mul(usec_t a, uint64_t n);

/*
 * Reads a duration in systemd's syntax (systemd.time(7)): "500ms", "10s", "1min 30s", "1.5h",
 * "infinity"; a bare number is seconds. Every unit of systemd.time(7) but months and years of other
 * lengths is known. Returns 0, -EINVAL (malformed or empty), or -ERANGE (too large).
 */
int usec_parse(const char *text, usec_t *ret_usec);

/*
 * Writes @usec as systemd would ("1min 30s", "500ms", "infinity", "0") into @buffer, exact to the
 * microsecond, so that usec_parse() reads the same value again. Returns @buffer.
 */
const char *usec_str(char buffer[static USEC_STR_MAX], usec_t usec);

/* The same, rounded for people: at most two units, "20.9s" below a minute. Returns @buffer. */
const char *usec_str_short(char buffer[static USEC_STR_MAX], usec_t usec);
