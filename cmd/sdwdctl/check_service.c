/* SPDX-License-Identifier: MIT */
/* What a unit says of restarts, signals and times, against what a watchdog needs. */
#include <stdio.h>
#include <string.h>

#include "base/usec.h"
#include "convert.h"
#include "finding.h"
#include "unit_words.h"

/* Shorter than this a core of a middling service is not written. */
#define ABORT_LEAST (10 * USEC_PER_SEC)
#define START_LIMIT_INTERVAL (10 * USEC_PER_SEC)
#define START_LIMIT_BURST 5
#define RESTART_SEC (100 * USEC_PER_MSEC)
#define TASKS_LEAST 16

static bool is(const struct findings *f, const char *name, const char *fallback,
	       const char *value) {
	return strcmp(unit_value(&f->unit->settings, name, fallback), value) == 0;
}

/* The duration @name, or @fallback. Where it is not one (a specifier): @fallback too. */
static usec_t duration(const char *value, usec_t fallback) {
	usec_t usec;

	return value && value[0] != '\0' && usec_parse(value, &usec) == 0 ? usec : fallback;
}

static void check_restart(struct findings *f) {
	const char *value = unit_value(&f->unit->settings, "Restart", "no");
	bool is_kill = f->conf->on_unhealthy == ON_UNHEALTHY_KILL;

	/* wrap changes a "no", and nothing else. */
	if (!f->is_wrapped && strcmp(value, "no") == 0)
		return;
	if (strcmp(value, "no") == 0)
		found(f, SERIOUS, "Restart=on-failure",
		      "Restart=no: what the watchdog has ended stays ended");
	else if (strcmp(value, "on-success") == 0 || strcmp(value, "on-abort") == 0)
		found(f, SERIOUS, "Restart=on-failure",
		      "Restart=%s: the service is not started again after the watchdog's kill",
		      value);
	else if (is_kill &&
		 (strcmp(value, "on-watchdog") == 0 || strcmp(value, "on-abnormal") == 0))
		found(f, SERIOUS, "Restart=on-failure",
		      "Restart=%s: the service is not started again after --on-unhealthy=kill, "
		      "which ends with exit status 124",
		      value);
}

static void check_restart_prevention(struct findings *f) {
	/* A number is an exit status there. */
	static const char *const aborts[] = {"SIGABRT", "ABRT"};
	const struct unit_settings *s = &f->unit->settings;
	bool is_kill = f->conf->on_unhealthy == ON_UNHEALTHY_KILL;

	for (size_t i = 0; i < ARRAY_SIZE(aborts); i++)
		if (unit_has_word(s, "RestartPreventExitStatus", aborts[i])) {
			found(f, SERIOUS, "RestartPreventExitStatus= (empty), then 125 126 127",
			      "RestartPreventExitStatus=%s: the service dies by SIGABRT when the "
			      "watchdog ends it, and is then not started again",
			      aborts[i]);
			break;
		}
	if (is_kill && unit_has_word(s, "RestartPreventExitStatus", "124"))
		found(f, SERIOUS, "RestartPreventExitStatus= (empty), then 125 126 127",
		      "RestartPreventExitStatus=124: the service is not started again after "
		      "--on-unhealthy=kill");
	if (f->is_wrapped && !unit_has_word(s, "RestartPreventExitStatus", "125"))
		found(f, NOTE, "RestartPreventExitStatus=125 126 127",
		      "a wrong option of sdwd, or a program that is not there, is tried again and "
		      "again");
}

/* What systemd takes for a success is not started again after a failure. */
static void check_success(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;

	if (f->conf->on_unhealthy != ON_UNHEALTHY_KILL || is(f, "Restart", "no", "always") ||
	    unit_has_word(s, "RestartForceExitStatus", "124"))
		return;
	if (unit_has_word(s, "SuccessExitStatus", "124"))
		found(f, SERIOUS, "Restart=always",
		      "SuccessExitStatus=124: to systemd --on-unhealthy=kill is a success, and the "
		      "service is not started again");
	if (strchr(f->prefixes, '-'))
		found(f, SERIOUS, "Restart=always",
		      "ExecStart=-: to systemd every exit status is a success, that of "
		      "--on-unhealthy=kill too, and the service is not started again");
}

static void check_kill_mode(struct findings *f) {
	const char *value = unit_value(&f->unit->settings, "KillMode", "control-group");

	if (strcmp(value, "control-group") == 0 && f->is_wrapped)
		found(f, WARNING, "KillMode=mixed",
		      "KillMode=control-group: systemd signals sdwd and the service; where systemd "
		      "cannot be asked, the service gets its stop signal twice");
	else if (strcmp(value, "process") == 0 || strcmp(value, "none") == 0)
		found(f, WARNING, "KillMode=mixed",
		      "KillMode=%s: a service that hangs for good outlives the watchdog's kill, "
		      "and the next one starts beside it",
		      value);
}

/* How long systemd waits behind the watchdog's SIGABRT; 0: not known. */
static usec_t abort_usec(const struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;
	usec_t stop = duration(unit_value(s, "TimeoutSec", NULL), 0);

	if (f->unit->has_manager && f->unit->abort_usec > 0)
		return f->unit->abort_usec;
	stop = duration(unit_value(s, "TimeoutStopSec", NULL), stop);
	stop = duration(unit_value(s, "TimeoutAbortSec", NULL), stop);
	return stop;
}

static void check_abort(struct findings *f) {
	char usec[USEC_STR_MAX];
	usec_t time = abort_usec(f);

	if (time > 0 && time < ABORT_LEAST && !is(f, "LimitCORE", "", "0"))
		found(f, WARNING, "TimeoutAbortSec=15s",
		      "TimeoutAbortSec= (or TimeoutStopSec=) is %s: the service has only that "
		      "long to write its core after the watchdog's SIGABRT, then it is killed "
		      "without",
		      usec_str(usec, time));
}

static void check_notify(struct findings *f) {
	const char *access = unit_value(&f->unit->settings, "NotifyAccess", "main");
	enum unit_type type = unit_type(&f->unit->settings);
	const char *name = unit_value(&f->unit->settings, "Type", "simple");

	if (!f->is_wrapped)
		return;
	if (type == UNIT_FORKING || type == UNIT_ONESHOT || type == UNIT_DBUS)
		found(f, SERIOUS, "Type=notify",
		      "Type=%s: sdwd neither forks away nor ends nor takes a name; the start does "
		      "not succeed, or nobody waits for it",
		      name);
	else if (type != UNIT_NOTIFY && type != UNIT_NOTIFY_RELOAD)
		found(f, WARNING, "Type=notify",
		      "Type=%s: the unit counts as started before sdwd says READY=1, and so does "
		      "what waits for it",
		      name);
	if (strcmp(access, "all") == 0)
		found(f, WARNING, "NotifyAccess=main, and --notify-access=all among sdwd's options",
		      "NotifyAccess=all: any process of the service may send WATCHDOG=1 past sdwd, "
		      "and so keep a hung service alive");
	else if (strcmp(access, "none") == 0 && f->watchdog_usec == 0 && type != UNIT_NOTIFY)
		found(f, SERIOUS, "NotifyAccess=main",
		      "NotifyAccess=none: sdwd cannot tell systemd anything");
	if (unit_value(&f->unit->settings, "PIDFile", NULL))
		found(f, SERIOUS, "PIDFile= (empty)",
		      "PIDFile=: systemd takes the process that it names for the main one, and "
		      "does "
		      "not hear sdwd any more");
	if (is(f, "ExitType", "main", "cgroup"))
		found(f, WARNING, "ExitType=main",
		      "ExitType=cgroup: the end of sdwd does not end the unit");
}

static void check_watchdog(struct findings *f) {
	if (f->unit->ignores_watchdogs)
		found(f, SERIOUS, NULL,
		      "this systemd ignores all watchdogs; systemctl service-watchdogs yes ends "
		      "that");
	if (!f->is_wrapped || f->watchdog_usec > 0)
		return;
	if (f->conf->on_unhealthy == ON_UNHEALTHY_WARN)
		found(f, SERIOUS, "WatchdogSec=30s",
		      "there is no WatchdogSec=: sdwd only says that the service hangs, and "
		      "systemd does nothing");
}

static void check_stop(struct findings *f) {
	if (unit_next(&f->unit->settings, "ExecStop", NULL))
		found(f, WARNING, "ExecStop= (empty), KillSignal= and sdwd's --stop-signal=",
		      "ExecStop=: sdwd does not know of a stop by it and pings on, which starts "
		      "the "
		      "watchdog again; a stop that takes longer than WatchdogSec= after the last "
		      "good look ends as a failure");
}

/* The last value of @name in [Unit], or of @old_name, which may stand in [Service] too; or NULL. */
static const char *start_limit(const struct unit_settings *s, const char *name,
			       const char *old_name) {
	for (size_t i = s->n_items; i > 0; i--) {
		const struct unit_setting *item = &s->items[i - 1];
		bool is_unit = strcmp(item->section, "Unit") == 0;

		if ((is_unit && strcmp(item->name, name) == 0) ||
		    ((is_unit || strcmp(item->section, "Service") == 0) &&
		     strcmp(item->name, old_name) == 0))
			return item->value;
	}
	return NULL;
}

static void check_start_limit(struct findings *f) {
	const struct unit_settings *s = &f->unit->settings;
	usec_t w = f->watchdog_usec > 0 ? f->watchdog_usec : 30 * USEC_PER_SEC;
	usec_t pause = duration(unit_value(s, "RestartSec", NULL), RESTART_SEC);
	usec_t interval = duration(start_limit(s, "StartLimitIntervalSec", "StartLimitInterval"),
				   START_LIMIT_INTERVAL);
	const char *number = start_limit(s, "StartLimitBurst", "StartLimitBurst");
	uint64_t burst = START_LIMIT_BURST;
	char within[USEC_STR_MAX];

	if (number && number[0] != '\0' && text_parse_u64(number, 0, UINT32_MAX, &burst) < 0)
		return;
	/* One hang takes at least W. */
	if (interval == 0 || burst == 0 || usec_mul(usec_add(w, pause), burst) >= interval)
		return;
	found(f, WARNING, "StartLimitIntervalSec=0 (in [Unit])",
	      "StartLimitBurst=%u within StartLimitIntervalSec=%s: after so many hangs systemd "
	      "gives up, and the service stays down",
	      (unsigned)burst, usec_str(within, interval));
}

static void check_tasks(struct findings *f) {
	uint64_t tasks;

	if (text_parse_u64(unit_value(&f->unit->settings, "TasksMax", "infinity"), 0, UINT64_MAX,
			   &tasks) == 0 &&
	    tasks < TASKS_LEAST)
		found(f, WARNING, "TasksMax=64",
		      "TasksMax=%u: sdwd, its prober with a thread for each look, and each check "
		      "count as well; where none is left, no look can be made",
		      (unsigned)tasks);
}

void check_service(struct findings *f) {
	check_watchdog(f);
	check_restart(f);
	check_restart_prevention(f);
	check_success(f);
	check_start_limit(f);
	check_kill_mode(f);
	check_abort(f);
	check_notify(f);
	check_stop(f);
	check_tasks(f);
}
