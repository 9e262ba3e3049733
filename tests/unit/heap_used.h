/* SPDX-License-Identifier: MIT */
#pragma once

#include <malloc.h>
#include <stddef.h>

/* How many bytes are allocated. mallinfo2(3) came with glibc 2.33; before, the numbers were ints.
 */
static inline size_t heap_used(void) {
#if __GLIBC_PREREQ(2, 33)
	return mallinfo2().uordblks;
#else
	return (size_t)mallinfo().uordblks;
#endif
}
