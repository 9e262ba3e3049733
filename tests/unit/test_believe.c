/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

/* Of the listener's cgroup; NULL: none. */
static const char *system_unit, *user_unit;

int __wrap_sd_pid_get_unit(pid_t pid, char **ret);
int __wrap_sd_pid_get_user_unit(pid_t pid, char **ret);

static int give(const char *unit, char **ret) {
	if (!unit)
		return -ENODATA;
	*ret = strdup(unit);
	return 0;
}

int __wrap_sd_pid_get_unit(pid_t pid, char **ret) {
	return give(system_unit, ret);
}

int __wrap_sd_pid_get_user_unit(pid_t pid, char **ret) {
	return give(user_unit, ret);
}

static const uid_t root, other = 4242;

/* What becomes of one that says so of itself: "" where it is believed, else why it is not. */
static const char *judge(uid_t uid, const char *label, const char *unit) {
	static char error[INSTANCE_ERROR_MAX];
	struct instance i = {.pid = getpid(), .uid = uid};
	struct json_object *reply;
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"parameters\": {\"status\": {\"label\": \"%s\", \"pid\": %d, \"unit\": "
		 "\"%s\"}}}",
		 label, getpid(), unit);
	reply = json_tokener_parse(text);
	assert_non_null(reply);
	assert_int_equal(instance_take(&i, reply), 0);
	json_object_put(reply);
	assert_int_equal(i.is_believed, i.error[0] == '\0');
	if (i.is_believed)
		assert_string_equal(i.label, label);
	assert_true(i.is_believed == (i.status != NULL));
	strcpy(error, i.error);
	json_object_put(i.status);
	free(i.unit);
	return error;
}

static void test_its_own_unit_is_believed(void **state) {
	system_unit = "nginx.service";
	user_unit = NULL;
	assert_string_equal(judge(root, "nginx.service", "nginx.service"), "");
	assert_string_equal(judge(other, "nginx.service", "nginx.service"), "");
	assert_string_equal(judge(other, "web", "nginx.service"), "");
	assert_non_null(
		strstr(judge(root, "web", "db.service"), "it says that it is of db.service"));
	assert_non_null(strstr(judge(other, "db.service", ""), "it calls itself db.service"));
	assert_string_equal(judge(root, "db.service", ""), "");
}

/* Every user can have a unit of any name in a manager of its own. */
static void test_another_users_own_manager_gives_no_names(void **state) {
	system_unit = "user@4242.service";
	user_unit = "nginx.service";
	assert_non_null(strstr(judge(other, "nginx.service", "nginx.service"), "another user's"));
	assert_non_null(strstr(judge(other, "web", "nginx.service"), "another user's"));
	assert_non_null(strstr(judge(other, "nginx.service", ""), "another user's"));
	/* A label that is no unit's name says nothing of one. */
	assert_string_equal(judge(other, "web", ""), "");
	/* One's own, and root's. */
	assert_string_equal(judge(geteuid(), "nginx.service", "nginx.service"), "");
	assert_string_equal(judge(root, "nginx.service", "nginx.service"), "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_its_own_unit_is_believed),
		cmocka_unit_test(test_another_users_own_manager_gives_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
