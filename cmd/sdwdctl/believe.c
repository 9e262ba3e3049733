/* SPDX-License-Identifier: MIT */
/*
 * Who answers.  /run/sdwd is open for everybody, as /tmp is: whoever may run a program may make a
 * socket there that calls itself anything.  The kernel knows who listens (SO_PEERCRED is whoever
 * called listen(2)), and of that process its cgroup, which only the manager sets.  So an instance
 * is believed where the pid and the unit that it tells are the listener's own.  A label that is
 * another unit's name is believed of root and of ourselves alone; so are units of a user's own
 * manager, where that user gives the names.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "base/text.h"
#include "base/usec.h"
#include "client.h"
#include "fields.h"

/* @pid's unit, malloc'ed, or NULL, into *@ret. 0, -ESRCH: it has ended, -EACCES: /proc is hidden.
 */
static int unit_of(pid_t pid, char **ret, bool *ret_is_user_unit) {
	char *unit = NULL;
	int r = sd_pid_get_user_unit(pid, &unit);

	*ret_is_user_unit = r >= 0;
	if (r == -ENODATA || r == -ENXIO)
		r = sd_pid_get_unit(pid, &unit);
	*ret = r >= 0 ? unit : NULL;
	if (r >= 0 || r == -ENODATA || r == -ENXIO || r == -ENOMEDIUM)
		return 0;
	return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EACCES;
}

/* Once for each connection: a unit's processes do not leave it. */
static int find_unit(struct instance *i) {
	int r;

	if (i->is_unit_known)
		return 0;
	free(i->unit);
	r = unit_of(i->pid, &i->unit, &i->is_user_unit);
	i->is_unit_known = r == 0;
	return r;
}

static int refuse(struct instance *i, const char *format, ...) printf_like(2, 3);

static int refuse(struct instance *i, const char *format, ...) {
	char line[INSTANCE_ERROR_MAX * 2];
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	text_clean(i->error, sizeof(i->error), line, strlen(line));
	return 0;
}

static bool is_trusted(const struct instance *i) {
	return i->uid == 0 || i->uid == geteuid();
}

static bool is_service_name(const char *label) {
	size_t length = strlen(label);

	return length > 8 && strcmp(label + length - 8, ".service") == 0;
}

/* Compares what @status says with what the kernel says. */
static int compare(struct instance *i, struct json_object *status, const char *label) {
	char claimed[INSTANCE_LABEL_MAX];
	int64_t pid = field_int(status, "pid", 0);
	int r = find_unit(i);

	field_clean(status, "unit", claimed, sizeof(claimed));
	if (r == -ESRCH)
		return r;
	if (pid != i->pid)
		return refuse(
			i, "not believed: it says that it is process %lld, and process %d listens",
			(long long)pid, (int)i->pid);
	if (r < 0 && !is_trusted(i))
		return refuse(i,
			      "not believed: the cgroup of process %d is hidden from this user; "
			      "ask as root",
			      (int)i->pid);
	if (r == 0 && claimed[0] != '\0' && (!i->unit || strcmp(claimed, i->unit) != 0))
		return refuse(i, "not believed: it says that it is of %s, and process %d is of %s",
			      claimed, (int)i->pid, i->unit ? i->unit : "no unit");
	/* In a manager of one's own a unit may have any name. */
	if (!is_trusted(i) && i->is_user_unit && (claimed[0] != '\0' || is_service_name(label)))
		return refuse(i, "not believed: process %d is of %s of another user's own manager",
			      (int)i->pid, i->unit);
	if (!is_trusted(i) && is_service_name(label) && (!i->unit || strcmp(label, i->unit) != 0))
		return refuse(i, "not believed: it calls itself %s, and process %d is of %s", label,
			      (int)i->pid, i->unit ? i->unit : "no unit");
	snprintf(i->label, sizeof(i->label), "%s", label);
	i->is_believed = true;
	return 0;
}

int instance_take(struct instance *i, struct json_object *reply) {
	struct json_object *status = field(field(reply, "parameters"), "status");
	char text[INSTANCE_LABEL_MAX];
	int r;

	i->is_believed = false;
	i->error[0] = '\0';
	json_object_put(i->status);
	i->status = NULL;
	if (field_text(reply, "error", NULL))
		return refuse(i, "it answers with the error %s",
			      field_clean(reply, "error", text, sizeof(text)));
	if (field_clean(status, "label", text, sizeof(text))[0] == '\0')
		return refuse(i, "what answers there is no sdwd");
	r = compare(i, status, text);
	if (i->is_believed)
		i->status = json_object_get(status);
	i->taken_at = usec_now();
	return r;
}
