/* SPDX-License-Identifier: MIT */
#include "sys/unit_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_names(void **state) {
	static const struct {
		const char *cgroups, *unit;
	} cases[] = {
		{"0::/system.slice/web.service\n", "web.service"},
		{"0::/system.slice/web.service", "web.service"},
		{"0::/system.slice/system-sdwd.slice/sdwd@web.service\n", "sdwd@web.service"},
		{"0::/system.slice/web.service/payload/x\n", "web.service"},
		{"0::/system.slice/_cpu.service\n", "cpu.service"},
		{"0::/user.slice/user-1.slice/user@1.service/app.slice/web.service\n",
		 "web.service"},
		{"0::/user.slice/user-1.slice/user@1.service/init.scope\n", "user@1.service"},
		{"0::/machine.slice/systemd-nspawn@c.service/payload/system.slice/web.service\n",
		 "web.service"},
		{"12:cpu:/system.slice/no.service\n1:name=systemd:/system.slice/web.service\n0::/"
		 "\n",
		 "web.service"},
		{"1:name=systemd:/\n0::/system.slice/web.service\n", "web.service"},
		{"0::/user.slice/user-1.slice/session-3.scope\n", NULL},
		{"0::/system.slice/.service\n", NULL},
		{"0::/\n", NULL},
		{"0:\n", NULL},
		{"\n\n", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *unit = unit_name_of_cgroups(cases[i].cgroups);

		if (cases[i].unit)
			assert_string_equal(unit, cases[i].unit);
		else
			assert_null(unit);
		free(unit);
	}
}

static void test_our_own_can_be_read(void **state) {
	free(unit_name_own());
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_our_own_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
