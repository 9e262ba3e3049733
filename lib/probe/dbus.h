/* SPDX-License-Identifier: MIT */
#pragma once

#include "probe/probe.h"

/* Of names and interfaces: the D-Bus Specification, "Valid Names". */
#define DBUS_NAME_MAX 255
#define DBUS_PATH_MAX 1024

/* What --dbus-call=PATH:INTERFACE.METHOD asks for. path "": not given. */
struct dbus_call {
	char path[DBUS_PATH_MAX];
	char interface[DBUS_NAME_MAX + 1];
	char method[DBUS_NAME_MAX + 1];
};

/* What the options of one dbus probe say. Zeroed before the table's defaults. */
struct dbus_settings {
	struct dbus_call call;
	bool is_user;                 /* the session's bus */
	char name[DBUS_NAME_MAX + 1]; /* made by the kind's check */
};

/* --dbus=NAME. The prober looks (cmd/sdwd-prober/dbus.c): it has a kind only. */
extern const struct probe_class probe_dbus;
