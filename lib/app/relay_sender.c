/* SPDX-License-Identifier: MIT */
/* Whose datagrams the relay takes: --notify-access, and what no access gives. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "app/internal.h"
#include "sys/proc.h"

/* Said once: who sends without leave does so often. */
static void refuse(struct supervisor *s, pid_t pid, bool is_helper) {
	if (s->has_told_refused)
		return;
	s->has_told_refused = true;
	if (is_helper)
		log_warning("sd_notify message of pid %d refused: it belongs to a check or hook",
			    pid);
	else
		log_warning("sd_notify message of pid %d refused: only the child (pid %d) may send "
			    "(--notify-access=%s); --notify-access=all takes those of its "
			    "descendants, too",
			    pid, s->child.pid, s->access == NOTIFY_ACCESS_NONE ? "none" : "main");
}

/*
 * Where /proc hides who a process belongs to: our own user could do us more harm than by a message,
 * and nobody gets into a session from outside (setsid(2)). A descendant in a session and under a
 * user of its own is not heard then.
 */
static bool is_surely_ours(const struct supervisor *s, const struct notify_datagram *d) {
	pid_t session = getsid(d->pid);

	return d->uid == geteuid() ||
	       (session > 0 && (session == getsid(0) || session == s->child.pid));
}

bool relay_may_send(struct supervisor *s, const struct notify_datagram *d,
		    const struct notify_msg *m) {
	bool is_helper, is_open;
	int r;

	if (d->pid == s->child.pid)
		return true;
	is_helper = helpers_have(&s->helpers, d->pid, s->now) > 0;
	/* While a daemon forks away, nobody knows yet which of its processes is the main one. */
	is_open = m->is_barrier_alone || s->access == NOTIFY_ACCESS_ALL ||
		  (s->access == NOTIFY_ACCESS_MAIN && s->adopt.step >= ADOPT_LAUNCHER &&
		   s->adopt.step <= ADOPT_WAIT);
	if (is_helper || !is_open) {
		refuse(s, d->pid, is_helper);
		return false;
	}
	/* Asked once a turn: nobody gets another's pid that soon. */
	if (s->sender.pid != d->pid)
		s->sender = (struct sender){d->pid, proc_is_descendant(d->pid)};
	r = s->sender.is_descendant;
	if (r < 0 && late_has(&s->late, d->pid))
		return true;
	/* A sender that is gone was not ours to reap. */
	return r > 0 || (r < 0 && r != -ESRCH && is_surely_ours(s, d));
}

void relay_set_access(struct supervisor *s, const struct notify_msg *m) {
	static const char *const names[] = {[NOTIFY_ACCESS_MAIN] = "main",
					    [NOTIFY_ACCESS_ALL] = "all",
					    [NOTIFY_ACCESS_NONE] = "none"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (m->access_length == strlen(names[i]) &&
		    memcmp(m->access, names[i], m->access_length) == 0)
			s->access = (int)i;
}
