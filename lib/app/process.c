/* SPDX-License-Identifier: MIT */
/*
 * Whether the supervised process runs, is stopped, or traced.  Gone is waitid's word alone; where
 * /proc is hidden, stopped is too.  To read /proc takes ten times as long as to ask waitid, before
 * each ping: it is done where that says "stopped", and every W/2, because of traced only /proc
 * knows.  Who was seen stopped is seen running before that is believed: where another parent was
 * told of the stop and is gone, waitid knows nothing of it.
 */
#include "app/internal.h"
#include "sys/proc.h"

enum process_state process_look(struct supervisor *s) {
	enum process_state before = s->monitor.process;
	struct proc_stat stat;
	int stopped;

	if (s->child.pid <= 0)
		return PROCESS_RUNNING;
	stopped = reaper_is_stopped(s->child.pid, s->is_child_stopped);
	if (stopped == 0 && before != PROCESS_STOPPED && s->now < s->proc_look_at)
		return before;
	s->proc_look_at = usec_add(s->now, s->watchdog_usec / 2);
	if (proc_read_stat(s->child.pid, &stat) < 0)
		return stopped > 0 ? PROCESS_STOPPED : PROCESS_RUNNING;
	/* So it was before we were told of it; waitid will tell when it goes on. */
	if (stat.state == 'T' && stopped >= 0)
		s->is_child_stopped = true;
	return stat.state == 'T'   ? PROCESS_STOPPED
	       : stat.state == 't' ? PROCESS_TRACED
				   : PROCESS_RUNNING;
}
