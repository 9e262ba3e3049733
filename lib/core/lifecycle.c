/* SPDX-License-Identifier: MIT */
/*
 *            exec ok           READY=1 taken        bad
 *  LAUNCHING -------> STARTING -----------> RUNNING <---> UNHEALTHY
 *      |                  |                    |   good        |
 *      | exec failed      |  a stop begins: signal, STOPPING=1, the child's end, our own decision
 *      |                  +---------+----------+---------------+
 *      |                            v
 *      +--------------------->  STOPPING -------> DONE
 *                                        all gone
 *
 * Stopping is sticky: from there nothing "recovers".  Before READY only `closed` and the child's
 * own trigger are bad, and the state stays STARTING: READY=1 was never said, and is not said while
 * that lasts.
 */
#include "core/lifecycle.h"

struct cell {
	bool is_set; /* a zero cell is a forgotten one */
	struct life_step step;
};

#define TO(next_, action_) \
	{ \
		true, { \
			LIFE_##next_, LIFE_##action_ \
		} \
	}

static const struct cell table[LIFE_STATE_MAX]
			      [LIFE_EVENT_MAX] = {
				      [LIFE_LAUNCHING] =
					      {
						      [LIFE_EXEC_OK] = TO(STARTING, BEGIN),
						      [LIFE_EXEC_FAILED] =
							      TO(STOPPING, REPORT_EXEC),
						      [LIFE_READY] = TO(LAUNCHING, NOTHING),
						      [LIFE_BAD] = TO(LAUNCHING, NOTHING),
						      [LIFE_GOOD] = TO(LAUNCHING, NOTHING),
						      [LIFE_TIMED_OUT] = TO(STOPPING, END_START),
						      [LIFE_STOP_SIGNAL] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_MESSAGE] = TO(LAUNCHING, NOTHING),
						      [LIFE_STOP_OWN] = TO(LAUNCHING, NOTHING),
						      [LIFE_CHILD_GONE] = TO(STOPPING, COLLECT),
						      [LIFE_ALL_GONE] = TO(LAUNCHING, NOTHING),
					      },
				      [LIFE_STARTING] =
					      {
						      [LIFE_EXEC_OK] = TO(STARTING, NOTHING),
						      [LIFE_EXEC_FAILED] = TO(STARTING, NOTHING),
						      [LIFE_READY] = TO(RUNNING, ANNOUNCE),
						      [LIFE_BAD] = TO(STARTING, ACT),
						      [LIFE_GOOD] = TO(STARTING, RECOVER),
						      [LIFE_TIMED_OUT] = TO(STOPPING, END_START),
						      [LIFE_STOP_SIGNAL] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_MESSAGE] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_OWN] = TO(STOPPING, WIND_DOWN),
						      [LIFE_CHILD_GONE] = TO(STOPPING, COLLECT),
						      [LIFE_ALL_GONE] = TO(STARTING, NOTHING),
					      },
				      [LIFE_RUNNING] =
					      {
						      [LIFE_EXEC_OK] = TO(RUNNING, NOTHING),
						      [LIFE_EXEC_FAILED] = TO(RUNNING, NOTHING),
						      [LIFE_READY] = TO(RUNNING, NOTHING),
						      [LIFE_BAD] = TO(UNHEALTHY, ACT),
						      [LIFE_GOOD] = TO(RUNNING, NOTHING),
						      [LIFE_TIMED_OUT] = TO(RUNNING, NOTHING),
						      [LIFE_STOP_SIGNAL] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_MESSAGE] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_OWN] = TO(STOPPING, WIND_DOWN),
						      [LIFE_CHILD_GONE] = TO(STOPPING, COLLECT),
						      [LIFE_ALL_GONE] = TO(RUNNING, NOTHING),
					      },
				      [LIFE_UNHEALTHY] =
					      {
						      [LIFE_EXEC_OK] = TO(UNHEALTHY, NOTHING),
						      [LIFE_EXEC_FAILED] = TO(UNHEALTHY, NOTHING),
						      [LIFE_READY] = TO(UNHEALTHY, NOTHING),
						      [LIFE_BAD] = TO(UNHEALTHY, NOTHING),
						      [LIFE_GOOD] = TO(RUNNING, RECOVER),
						      [LIFE_TIMED_OUT] = TO(UNHEALTHY, NOTHING),
						      [LIFE_STOP_SIGNAL] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_MESSAGE] = TO(STOPPING, WIND_DOWN),
						      [LIFE_STOP_OWN] = TO(STOPPING, WIND_DOWN),
						      [LIFE_CHILD_GONE] = TO(STOPPING, COLLECT),
						      [LIFE_ALL_GONE] = TO(UNHEALTHY, NOTHING),
					      },
				      [LIFE_STOPPING] =
					      {
						      [LIFE_EXEC_OK] = TO(STOPPING, NOTHING),
						      [LIFE_EXEC_FAILED] =
							      TO(STOPPING, REPORT_EXEC),
						      [LIFE_READY] = TO(STOPPING, NOTHING),
						      [LIFE_BAD] = TO(STOPPING, NOTHING),
						      [LIFE_GOOD] = TO(STOPPING, NOTHING),
						      [LIFE_TIMED_OUT] = TO(STOPPING, NOTHING),
						      [LIFE_STOP_SIGNAL] = TO(STOPPING, NOTHING),
						      [LIFE_STOP_MESSAGE] = TO(STOPPING, NOTHING),
						      [LIFE_STOP_OWN] = TO(STOPPING, NOTHING),
						      [LIFE_CHILD_GONE] = TO(STOPPING, COLLECT),
						      [LIFE_ALL_GONE] = TO(DONE, FINISH),
					      },
				      [LIFE_DONE] =
					      {
						      [LIFE_EXEC_OK] = TO(DONE, NOTHING),
						      [LIFE_EXEC_FAILED] = TO(DONE, NOTHING),
						      [LIFE_READY] = TO(DONE, NOTHING),
						      [LIFE_BAD] = TO(DONE, NOTHING),
						      [LIFE_GOOD] = TO(DONE, NOTHING),
						      [LIFE_TIMED_OUT] = TO(DONE, NOTHING),
						      [LIFE_STOP_SIGNAL] = TO(DONE, NOTHING),
						      [LIFE_STOP_MESSAGE] = TO(DONE, NOTHING),
						      [LIFE_STOP_OWN] = TO(DONE, NOTHING),
						      [LIFE_CHILD_GONE] = TO(DONE, NOTHING),
						      [LIFE_ALL_GONE] = TO(DONE, NOTHING),
					      },
};

struct life_step life_step(enum life_state state, enum life_event event) {
	assert(state < LIFE_STATE_MAX && event < LIFE_EVENT_MAX);
	assert(table[state][event].is_set);
	return table[state][event].step;
}

const char *life_state_str(enum life_state state) {
	static const char *const names[LIFE_STATE_MAX] = {
		[LIFE_LAUNCHING] = "launching", [LIFE_STARTING] = "starting",
		[LIFE_RUNNING] = "running",     [LIFE_UNHEALTHY] = "unhealthy",
		[LIFE_STOPPING] = "stopping",   [LIFE_DONE] = "done",
	};

	assert(state < LIFE_STATE_MAX);
	return names[state];
}

const char *life_event_str(enum life_event event) {
	static const char *const names[LIFE_EVENT_MAX] = {
		[LIFE_EXEC_OK] = "exec-ok",
		[LIFE_EXEC_FAILED] = "exec-failed",
		[LIFE_READY] = "ready",
		[LIFE_BAD] = "bad",
		[LIFE_GOOD] = "good",
		[LIFE_TIMED_OUT] = "start-timeout",
		[LIFE_STOP_SIGNAL] = "stop-signal",
		[LIFE_STOP_MESSAGE] = "stop-message",
		[LIFE_STOP_OWN] = "stop-own",
		[LIFE_CHILD_GONE] = "child-gone",
		[LIFE_ALL_GONE] = "all-gone",
	};

	assert(event < LIFE_EVENT_MAX);
	return names[event];
}
