/* SPDX-License-Identifier: MIT */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC or a span of it, in microseconds. USEC_INFINITY: never, or without end. */
typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b) \
	({ \
		typeof(a) min_a_ = (a); \
		typeof(b) min_b_ = (b); \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})

#define MAX(a, b) \
	({ \
		typeof(a) max_a_ = (a); \
		typeof(b) max_b_ = (b); \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* The struct of @type whose @member is at @pointer. */
#define container_of(pointer, type, member) \
	({ \
		typeof(((type *)0)->member) *member_ = (pointer); \
		(type *)((char *)member_ - offsetof(type, member)); \
	})

#define cleanup(function) __attribute__((cleanup(function)))
#define printf_like(format, first) __attribute__((__format__(__printf__, format, first)))
#define warn_unused __attribute__((warn_unused_result))

#ifndef SDWD_VERSION
#define SDWD_VERSION "unknown"
#endif
