/* SPDX-License-Identifier: MIT */
#pragma once

#include "client.h"
#include "paper.h"

/* How an instance is, in the order of the table. */
enum rank {
	RANK_UNWELL, /* unhealthy, or it says something that is unknown here */
	RANK_DEGRADED,
	RANK_DRILLED, /* a probe of it is being tried out */
	RANK_MOVING,  /* not ready yet, or stopping */
	RANK_PAUSED,
	RANK_WELL,
};

/* The rank of a believed instance. */
enum rank instance_rank(const struct instance *i);

/* True where it counts as well: all but RANK_UNWELL. */
bool instance_is_well(const struct instance *i);

/* Sorts the believed instances of @list (pointers): the unwell first, then by label. */
void table_sort(const struct instance **list, size_t n);

/*
 * Writes the table of @list, in its order.  Where @p->is_cut, no more of them than fit into
 * @p->lines, but the first in whole.  Returns how many it wrote, 0 where there is no memory for it.
 */
size_t table_show(const struct paper *p, const struct instance *const *list, size_t n);
