/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "sdwd_options.h"
#include "unit.h"
#include "unit_words.h"

/* org.freedesktop.systemd1(5). */
#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define ANSWER_USEC (10 * USEC_PER_SEC)

/* Root needs no bus: the manager has a socket for it alone. */
static int open_private(sd_bus **ret) {
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

static int open_manager(sd_bus **ret) {
	int r = geteuid() == 0 ? open_private(ret) : -EACCES;

	if (r < 0)
		r = sd_bus_open_system(ret);
	if (r >= 0)
		(void)sd_bus_set_method_call_timeout(*ret, ANSWER_USEC);
	return r;
}

static int get_string(sd_bus *bus, const char *path, const char *name, char **ret) {
	return sd_bus_get_property_string(bus, MANAGER, path, MANAGER ".Unit", name, NULL, ret);
}

/* Is there something to read? */
static int check_state(sd_bus *bus, const char *path, const char *name, struct text *error) {
	char *state = NULL, shown[UNIT_SHELL_MAX];
	int r = get_string(bus, path, "LoadState", &state);

	if (r < 0)
		return r;
	if (strcmp(state, "not-found") == 0) {
		text_addf(error, "systemd knows no unit %s", name);
		r = -ENOENT;
	} else if (strcmp(state, "masked") == 0) {
		text_addf(error, "%s is masked", name);
		r = -ESHUTDOWN;
	} else if (strcmp(state, "loaded") != 0) {
		text_addf(error, "systemd could not read %s (%s); see systemctl status %s", name,
			  state, unit_for_shell(shown, name));
		r = -EBADMSG;
	}
	free(state);
	return r < 0 ? r : 0;
}

static int get_files(sd_bus *bus, const char *path, struct unit *u) {
	char *fragment = NULL, **drop_ins = NULL;
	int r = get_string(bus, path, "FragmentPath", &fragment);

	if (r >= 0)
		r = sd_bus_get_property_strv(bus, MANAGER, path, MANAGER ".Unit", "DropInPaths",
					     NULL, &drop_ins);
	if (r >= 0 && fragment[0] != '\0')
		r = unit_add_file(u, fragment);
	for (char **d = drop_ins; d && *d; d++) {
		if (r >= 0)
			r = unit_add_file(u, *d);
		free(*d);
	}
	free((void *)drop_ins);
	free(fragment);
	return r < 0 ? r : 0;
}

/* What no file says; a manager too old to tell says nothing. */
static void get_effective(sd_bus *bus, const char *path, struct unit *u) {
	int watchdogs = 1;
	uint64_t usec = 0;

	if (sd_bus_get_property_trivial(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager",
					"ServiceWatchdogs", NULL, 'b', &watchdogs) >= 0)
		u->ignores_watchdogs = watchdogs == 0;
	if (sd_bus_get_property_trivial(bus, MANAGER, path, MANAGER ".Service", "TimeoutAbortUSec",
					NULL, 't', &usec) >= 0)
		u->abort_usec = usec;
}

static int ask(sd_bus *bus, struct unit *u, struct text *error) {
	sd_bus_error bus_error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *path;
	char *id = NULL;
	int r = sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager", "LoadUnit",
				   &bus_error, &reply, "s", u->name);

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		r = check_state(bus, path, u->name, error);
	if (r >= 0)
		r = get_string(bus, path, "Id", &id);
	if (r >= 0) {
		free(u->name);
		u->name = id;
		r = get_files(bus, path, u);
	}
	if (r >= 0) {
		u->has_manager = true;
		get_effective(bus, path, u);
	}
	if (r < 0 && error->length == 0)
		text_addf(error, "systemd does not tell about %s: %s", u->name,
			  bus_error.message ? bus_error.message : strerror(-r));
	sd_bus_message_unref(reply);
	sd_bus_error_free(&bus_error);
	return r < 0 ? r : 1;
}

int unit_ask_manager(struct unit *u, struct text *error) {
	sd_bus *bus = NULL;
	int r;

	if (sd_booted() <= 0 || open_manager(&bus) < 0)
		return 0;
	r = ask(bus, u, error);
	sd_bus_flush_close_unref(bus);
	return r;
}

/* Adds the names of those that are up, or about to be. */
static int list_running(sd_bus *bus, const char *pattern, struct words *names) {
	sd_bus_message *reply = NULL;
	const char *name;
	int r = sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager",
				   "ListUnitsByPatterns", NULL, &reply, "asas", 4, "active",
				   "reloading", "refreshing", "activating", 1, pattern);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, NULL, NULL,
						  NULL, NULL, NULL, NULL, NULL, NULL)) > 0)
		r = words_add(names, name);
	sd_bus_message_unref(reply);
	return r;
}

int unit_running(const char *pattern, struct words *names) {
	sd_bus *bus = NULL;
	int r;

	if (sd_booted() <= 0)
		return 0;
	r = open_manager(&bus);
	if (r >= 0)
		r = list_running(bus, pattern, names);
	sd_bus_flush_close_unref(bus);
	return r < 0 ? r : 0;
}
