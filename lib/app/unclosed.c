/* SPDX-License-Identifier: MIT */
#include "app/unclosed.h"

#include <string.h>

#include "app/internal.h"
#include "base/log.h"
#include "sys/spawn.h"

/* From one process to the next. */
#define CLOSE_SPACING (500 * USEC_PER_MSEC)

bool unclosed_has_room(const struct unclosed *u, size_t n) {
	return u->n + n + CONTROL_CLIENTS_MAX <= ARRAY_SIZE(u->fds);
}

void unclosed_add(struct unclosed *u, int fd) {
	if (u->n < ARRAY_SIZE(u->fds))
		u->fds[u->n++] = fd;
}

static void close_all(struct supervisor *s, struct unclosed *u) {
	pid_t pid;
	int r = spawn_close(u->fds, u->n, &pid);

	u->at = usec_add(s->now, CLOSE_SPACING);
	if (r < 0 && !u->is_stuck)
		log_warning(
			"no process can be started to close the sockets that others sent along: "
			"%s; tried again",
			strerror(-r));
	u->is_stuck = r < 0;
	if (r < 0)
		return;
	u->n = 0;
	helpers_add(&s->helpers, pid);
}

void unclosed_on_fd(void *context, int fd) {
	struct supervisor *s = context;

	if (notify_fd_close(fd))
		return;
	if (!unclosed_has_room(&s->unclosed, 1))
		close_all(s, &s->unclosed);
	unclosed_add(&s->unclosed, fd);
}

void unclosed_take(struct supervisor *s, struct notify_datagram *d) {
	notify_datagram_done(d);
	for (size_t i = 0; i < d->n_fds; i++)
		unclosed_add(&s->unclosed, d->fds[i]);
	d->n_fds = 0;
	if (!unclosed_has_room(&s->unclosed, NOTIFY_DATAGRAM_FDS_MAX))
		close_all(s, &s->unclosed);
}

static usec_t next_at(const struct supervisor *s, const struct unclosed *u) {
	return u->n > 0 ? MAX(u->at, s->now) : USEC_INFINITY;
}

void unclosed_turn(struct supervisor *s) {
	if (next_at(s, &s->unclosed) <= s->now)
		close_all(s, &s->unclosed);
	if (next_at(s, &s->unclosed_of_looks) <= s->now)
		close_all(s, &s->unclosed_of_looks);
}

usec_t unclosed_next_at(const struct supervisor *s) {
	return MIN(next_at(s, &s->unclosed), next_at(s, &s->unclosed_of_looks));
}
