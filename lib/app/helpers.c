/* SPDX-License-Identifier: MIT */
/*
 * The members of a session are asked of the kernel (getsid(2)), which knows them also where /proc
 * is hidden.  What a helper leaves behind keeps the session after its end: those of its group are
 * being killed then, and count as its own for a while.  Not for ever: the number will be given
 * again.
 */
#include "app/helpers.h"

#include <errno.h>
#include <unistd.h>

#include "base/usec.h"
#include "sys/spawn.h"

/* Far more than a process takes to die of SIGKILL, far less than all pids take to be used up. */
#define LINGER (5 * USEC_PER_SEC)

void helpers_add(struct helpers *h, pid_t pid) {
	struct helper *oldest = &h->items[0];

	for (size_t i = 1; i < ARRAY_SIZE(h->items); i++)
		if (h->items[i].until_at < oldest->until_at)
			oldest = &h->items[i];
	*oldest = (struct helper){.pid = pid, .until_at = USEC_INFINITY};
}

void helpers_reaped(struct helpers *h, pid_t pid, usec_t now) {
	for (size_t i = 0; i < ARRAY_SIZE(h->items); i++)
		if (h->items[i].pid == pid && h->items[i].until_at == USEC_INFINITY)
			h->items[i].until_at = usec_add(now, LINGER);
}

int helpers_have(const struct helpers *h, pid_t pid, usec_t now) {
	pid_t session = getsid(pid);

	if (session < 0)
		return -ESRCH;
	for (size_t i = 0; i < ARRAY_SIZE(h->items); i++) {
		const struct helper *helper = &h->items[i];

		/* Just forked, it leads no session yet. */
		if (helper->pid > 0 && helper->until_at > now &&
		    (helper->pid == pid || helper->pid == session))
			return 1;
	}
	return 0;
}

void helpers_kill(const struct helpers *h) {
	for (size_t i = 0; i < ARRAY_SIZE(h->items); i++)
		if (h->items[i].pid > 0 && h->items[i].until_at == USEC_INFINITY)
			spawn_kill(h->items[i].pid);
}
