/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <stdbool.h>

/*
 * Told of what libev cannot do: @what it was, for a log line. Where @is_fatal the loop cannot go
 * on, and this must not return; else it goes on, and this may do nothing to it. It may be called
 * from inside any function of libev.
 */
typedef void loop_fault_t(void *context, const char *what, bool is_fatal);

/*
 * A loop, of which there is one in a process: what stands here is for all of them. Its memory is
 * from malloc(3), and where that has none any more, from a reserve. @on_fault is called with
 * @context from now on. Returns NULL, and says nothing, where it cannot be made. For
 * ev_loop_destroy().
 */
struct ev_loop *loop_new(loop_fault_t *on_fault, void *context);

/*
 * For the first line of a handler of @io: true where the kernel refused to watch its fd
 * (epoll_ctl(2) without memory, or beyond max_user_watches). libev has stopped it then; here it is
 * started again, for the next turn. @events are the handler's. Nothing has come that could be read.
 */
bool loop_again(struct ev_loop *loop, struct ev_io *io, int events);

/* Waits for events and handles them, once (EVRUN_ONCE). It may be in vain. */
void loop_run(struct ev_loop *loop);
