/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

extern const struct probe_class probe_heartbeat;

/* The settings of --heartbeat[=FD]. */
struct heartbeat_settings {
	int fd; /* its number in the child; -1: the lowest free one */
};

/*
 * Chooses the number of the pipe's end in the child: the settled one, or the lowest from 3 that
 * neither is inherited nor in @taken (@n_taken numbers). Returns it, -EEXIST where a settled number
 * is inherited or taken already, or -EINVAL where @p is no heartbeat.
 */
int heartbeat_choose_fd(struct probe *p, const int *taken, size_t n_taken);

/* The child's end of the pipe (ours, CLOEXEC, closed by attach), and its number there. */
int heartbeat_child_end(const struct probe *p, int *ret_as);
