/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "exec_line.h"
#include "sdwd_options.h"
#include "unit.h"

/* How a unit's command becomes one of sdwd's. */

/* Type=. */
enum unit_type {
	UNIT_SIMPLE,
	UNIT_EXEC,
	UNIT_IDLE,
	UNIT_FORKING,
	UNIT_NOTIFY,
	UNIT_NOTIFY_RELOAD,
	UNIT_DBUS,
	UNIT_ONESHOT,
	UNIT_TYPE_MAX, /* one that is not known */
};

/* The type of @s, with systemd's own default. */
enum unit_type unit_type(const struct unit_settings *s);

/* True where systemd gives the main process a NOTIFY_SOCKET. */
bool unit_has_notify_socket(const struct unit_settings *s);

/* True where the service may write nearly nowhere: ProtectSystem=strict, which DynamicUser=yes
 * brings along, whatever the unit says. */
bool unit_is_strict(const struct unit_settings *s);

struct conversion {
	const struct unit *unit; /* borrowed */
	enum unit_type type;
	struct exec_line line;
	char *path;         /* of the program, absolute; owned, as the others */
	char *options;      /* sdwd's, quoted, a blank in front of each */
	char *command;      /* the program as the first word behind "--", quoted */
	struct words words; /* sdwd's options as it will read them */
	usec_t watchdog_usec;
	bool is_watchdog_set; /* the drop-in must say WatchdogSec= */
};

/*
 * Makes sdwd's command line for the unit @u of the system at @root: what its type needs, and the
 * user's @options. Returns 0, -EPERM with the reason in @errors where it cannot be, or -ENOMEM.
 */
int conversion_init(struct conversion *v, const struct unit *u, const struct words *options,
		    const char *root, struct text *errors);

void conversion_done(struct conversion *v);

/* The name behind @path's last slash. */
const char *base_of(const char *path);
