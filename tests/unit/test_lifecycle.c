/* SPDX-License-Identifier: MIT */
#include "core/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"

/*
 * The whole table once more, written from the drawing and not from the code: a letter for the next
 * state (L S R U X D, X is stopping) and one for the action.
 */
static const struct {
	enum life_event event;
	const char *cells; /* LAUNCHING STARTING RUNNING UNHEALTHY STOPPING DONE */
} expected[] = {
	{LIFE_EXEC_OK, "Sb S- R- U- X- D-"},     {LIFE_EXEC_FAILED, "Xe S- R- U- Xe D-"},
	{LIFE_READY, "L- Ra R- U- X- D-"},       {LIFE_BAD, "L- Su Uu U- X- D-"},
	{LIFE_GOOD, "L- Sg R- Rg X- D-"},        {LIFE_TIMED_OUT, "Xt Xt R- U- X- D-"},
	{LIFE_STOP_SIGNAL, "Xw Xw Xw Xw X- D-"}, {LIFE_STOP_MESSAGE, "L- Xw Xw Xw X- D-"},
	{LIFE_STOP_OWN, "L- Xw Xw Xw X- D-"},    {LIFE_CHILD_GONE, "Xc Xc Xc Xc Xc D-"},
	{LIFE_ALL_GONE, "L- S- R- U- Df D-"},
};

static const char state_letters[] = "LSRUXD";
static const char action_letters[LIFE_ACTION_MAX + 1] = {
	[LIFE_NOTHING] = '-',   [LIFE_BEGIN] = 'b',     [LIFE_REPORT_EXEC] = 'e',
	[LIFE_ANNOUNCE] = 'a',  [LIFE_ACT] = 'u',       [LIFE_RECOVER] = 'g',
	[LIFE_END_START] = 't', [LIFE_WIND_DOWN] = 'w', [LIFE_COLLECT] = 'c',
	[LIFE_FINISH] = 'f',
};

static void every_cell_is_as_drawn(void **unused) {
	assert_int_equal(ARRAY_SIZE(expected), LIFE_EVENT_MAX);
	for (size_t e = 0; e < ARRAY_SIZE(expected); e++)
		for (int state = 0; state < LIFE_STATE_MAX; state++) {
			struct life_step step =
				life_step((enum life_state)state, expected[e].event);
			char got[3] = {state_letters[step.next], action_letters[step.action]};

			if (strncmp(got, expected[e].cells + (ptrdiff_t)3 * state, 2) != 0)
				fail_msg("%s in %s: %s", life_event_str(expected[e].event),
					 life_state_str((enum life_state)state), got);
		}
}

static void stopping_is_sticky(void **unused) {
	for (int event = 0; event < LIFE_EVENT_MAX; event++) {
		struct life_step step = life_step(LIFE_STOPPING, (enum life_event)event);

		assert_true(step.next == LIFE_STOPPING || step.next == LIFE_DONE);
		assert_true(step.action != LIFE_RECOVER && step.action != LIFE_ANNOUNCE &&
			    step.action != LIFE_ACT && step.action != LIFE_BEGIN);
	}
}

static void every_state_can_end(void **unused) {
	for (int state = 0; state < LIFE_DONE; state++) {
		struct life_step step = life_step((enum life_state)state, LIFE_CHILD_GONE);

		assert_int_equal(step.next, LIFE_STOPPING);
		assert_int_equal(life_step(step.next, LIFE_ALL_GONE).next, LIFE_DONE);
	}
}

static void names_are_all_there(void **unused) {
	for (int i = 0; i < LIFE_STATE_MAX; i++)
		assert_true(strlen(life_state_str((enum life_state)i)) > 0);
	for (int i = 0; i < LIFE_EVENT_MAX; i++)
		assert_true(strlen(life_event_str((enum life_event)i)) > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_as_drawn),
		cmocka_unit_test(stopping_is_sticky),
		cmocka_unit_test(every_state_can_end),
		cmocka_unit_test(names_are_all_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
