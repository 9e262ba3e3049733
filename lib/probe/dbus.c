/* SPDX-License-Identifier: MIT */
#include "probe/dbus.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int refuse(struct text *error, const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return -EINVAL;
}

/* A letter or '_', then digits too; those of @more anywhere. */
static bool is_element(const char *p, size_t length, const char *more) {
	if (length == 0 || isdigit((unsigned char)*p))
		return false;
	for (; length > 0; p++, length--)
		if (!isalnum((unsigned char)*p) && *p != '_' && !strchr(more, *p))
			return false;
	return true;
}

/* Two elements or more with dots between them: a bus name (which may have '-') or an interface. */
static bool is_dotted(const char *name, const char *more) {
	size_t n = 0;

	if (strlen(name) > DBUS_NAME_MAX)
		return false;
	for (;; n++) {
		size_t length = strcspn(name, ".");

		if (!is_element(name, length, more))
			return false;
		if (name[length] == '\0')
			return n > 0;
		name += length + 1;
	}
}

static bool is_path(const char *path) {
	if (strcmp(path, "/") == 0)
		return true;
	if (*path != '/')
		return false;
	while (*path == '/') {
		size_t length = strcspn(path + 1, "/");

		if (length == 0)
			return false;
		for (const char *p = path + 1; p <= path + length; p++)
			if (!isalnum((unsigned char)*p) && *p != '_')
				return false;
		path += 1 + length;
	}
	return true;
}

/* Copies the @length bytes at @from. False: they do not fit. */
static bool copy(char *to, size_t size, const char *from, size_t length) {
	if (length >= size)
		return false;
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

static int parse_call(const struct opt *o, const char *value, void *field, struct text *error) {
	const char *colon = strchr(value, ':'), *dot = colon ? strrchr(colon, '.') : NULL;
	struct dbus_call parsed = {0};

	if (!dot)
		return refuse(error, value, "is no PATH:INTERFACE.METHOD");
	if (!copy(parsed.path, sizeof(parsed.path), value, (size_t)(colon - value)) ||
	    !is_path(parsed.path))
		return refuse(error, value, "has no object path before its colon");
	if (!copy(parsed.interface, sizeof(parsed.interface), colon + 1,
		  (size_t)(dot - colon - 1)) ||
	    !is_dotted(parsed.interface, ""))
		return refuse(error, value, "has no interface behind its colon");
	if (!copy(parsed.method, sizeof(parsed.method), dot + 1, strlen(dot + 1)) ||
	    !is_element(parsed.method, strlen(parsed.method), ""))
		return refuse(error, value, "has no method behind its last dot");
	*(struct dbus_call *)field = parsed;
	return 0;
}

static const struct opt dbus_options[] = {
	{
		.name = "dbus-call",
		.argument = "PATH:INTERFACE.METHOD",
		.help = "dbus: call this method, without arguments; any reply is good, also an "
			"error",
		.parse = parse_call,
		.offset = offsetof(struct dbus_settings, call),
	},
	{
		.name = "dbus-user",
		.help = "dbus: on the session's bus, not on the system's",
		.parse = opt_parse_flag,
		.offset = offsetof(struct dbus_settings, is_user),
	},
	{NULL},
};

static int dbus_check(const char *target, void *settings, struct text *error) {
	struct dbus_settings *s = settings;

	if (*target == ':')
		return refuse(error, target,
			      "is a connection's own name, which changes with each start");
	if (!is_dotted(target, "-"))
		return refuse(error, target, "is no name on a bus, like org.example.Service");
	memcpy(s->name, target, strlen(target) + 1);
	return 0;
}

static const char *needs_prober(const void *settings) {
	return "D-Bus";
}

static const char *note(const void *settings) {
	const struct dbus_settings *s = settings;

	return s->call.path[0] == '\0'
		       ? "without --dbus-call a hang may not be seen: GLib answers the ping from a "
			 "thread of its own"
		       : NULL;
}

static const struct probe_kind dbus_kind = {
	.name = "dbus",
	.argument = "NAME",
	.help = "good when the owner of this name on the bus answers",
	.mode = PROBE_PULL,
	.options = dbus_options,
	.settings_size = sizeof(struct dbus_settings),
	.check = dbus_check,
	.needs_prober = needs_prober,
	.note = note,
};

const struct probe_class probe_dbus = {.kind = &dbus_kind};
