/* SPDX-License-Identifier: MIT */
/*
 * The log lines that operators and programs look for: one for each edge, with an id that
 * units/sdwd.catalog explains (journalctl -x) and with fields to search by.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/internal.h"
#include "app/message_ids.h"
#include "base/text.h"

/* What follows, and by whom. */
static const char *consequence(const struct supervisor *s) {
	static const char *const words[] = {
		[ON_UNHEALTHY_WITHHOLD] =
			"withholding WATCHDOG=1: systemd acts unless the service recovers",
		[ON_UNHEALTHY_TRIGGER] = "systemd will be asked to act",
		[ON_UNHEALTHY_KILL] = "sdwd will end the service",
		[ON_UNHEALTHY_WARN] = "only reported (--on-unhealthy=warn)",
	};

	if (s->mode == ON_UNHEALTHY_WITHHOLD && !s->monitor.is_ready)
		return "withholding READY=1 until the service recovers";
	if (s->mode == ON_UNHEALTHY_WITHHOLD && !s->has_watchdog)
		return "nobody acts without WatchdogSec=";
	return words[s->mode];
}

static void emit(struct supervisor *s, enum log_level level, const char *id, const char *probe,
		 const char *cause, const char *message) {
	struct log_field fields[3] = {{"SDWD_STATE", life_state_str(s->life)}};
	size_t n = 1;

	if (probe)
		fields[n++] = (struct log_field){"SDWD_PROBE", probe};
	if (cause)
		fields[n++] = (struct log_field){"SDWD_CAUSE", cause};
	log_event(level, id, fields, n, "%s", message);
}

void message_unhealthy(struct supervisor *s) {
	const struct finding *edge = &s->act.edge;
	char message[LOG_MESSAGE_MAX], age[USEC_STR_MAX];
	struct text t = TEXT_OVER(message);

	text_addf(&t, "unhealthy: %s (%s)", edge->text, cause_str(edge->cause));
	if (edge->streak > 1)
		text_addf(&t, ", %u failures in a row", edge->streak);
	if (s->evidence_at > 0)
		text_addf(&t, ", last good %s ago",
			  usec_str_short(age, usec_sub(s->now, s->evidence_at)));
	text_addf(&t, "; %s -> unhealthy; %s", s->monitor.is_ready ? "healthy" : "starting",
		  consequence(s));
	emit(s, LOG_LEVEL_ERR, MESSAGE_ID_UNHEALTHY, supervisor_probe_name(s, edge->slot),
	     cause_str(edge->cause), message);
}

void message_recovered(struct supervisor *s) {
	char message[LOG_MESSAGE_MAX];

	snprintf(message, sizeof(message), "healthy again: %s; unhealthy -> healthy",
		 supervisor_probe_name(s, s->monitor.culprit));
	emit(s, LOG_LEVEL_NOTICE, MESSAGE_ID_RECOVERED,
	     supervisor_probe_name(s, s->monitor.culprit), NULL, message);
}

void message_degraded(struct supervisor *s, bool is_degraded) {
	char health[LOG_MESSAGE_MAX];
	struct text t = TEXT_OVER(health);

	status_health(s, &t);
	emit(s, is_degraded ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, MESSAGE_ID_DEGRADED, NULL, NULL,
	     is_degraded ? health : "no longer degraded");
}

void message_ready(struct supervisor *s) {
	char message[LOG_MESSAGE_MAX], took[USEC_STR_MAX];

	snprintf(message, sizeof(message), "ready after %s: pid %d, %zu probe%s",
		 usec_str_short(took, usec_sub(s->now, s->started_at)), s->child.pid, s->n_slots,
		 s->n_slots == 1 ? "" : "s");
	emit(s, LOG_LEVEL_INFO, MESSAGE_ID_READY, NULL, NULL, message);
}

void message_start(struct supervisor *s) {
	/* Podman hands on NOTIFY_SOCKET alone, and the unit outside may have a watchdog. */
	bool is_container = getpid() == 1;

	if (s->n_slots == 0)
		log_notice("watching the process only: a hang will not be seen (see --http, "
			   "--heartbeat, "
			   "--notify in sdwd-probes(7))");
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct probe_conf *c = s->slots[i].probe->conf;
		const char *note = c->kind->note ? c->kind->note(c->settings) : NULL;

		if (note)
			log_notice("%s: %s", c->name, note);
	}
	if (notifier_is_open(&s->notifier) && !s->has_watchdog && is_container)
		log_warning("no WATCHDOG_USEC in this container: nothing is sent to the watchdog "
			    "that its unit may have (podman: --env=WATCHDOG_USEC)");
	if (notifier_is_open(&s->notifier) && !s->has_watchdog && s->mode == ON_UNHEALTHY_WARN)
		log_notice(
			"%san unhealthy service is only reported; --on-unhealthy=kill would end it",
			is_container ? "" : "no WatchdogSec= in this unit: ");
	if (notifier_is_open(&s->notifier) && !s->has_watchdog && s->mode == ON_UNHEALTHY_WITHHOLD)
		log_warning(
			"--on-unhealthy=withhold without WatchdogSec= in this unit: nobody "
			"acts on an unhealthy service; set WatchdogSec=, or --on-unhealthy=kill");
}

/* Two of them must fit into a line, with the advice behind them. */
#define DOMAIN_SHOWN 300

static void warn_elsewhere(const struct supervisor *s, const char *domain) {
	int refused = s->child.domain_error;

	log_warning("SELinux: the service runs in %.*s, not in %.*s as systemd would have given "
		    "it%s%s; allow sdwd this transition, or name the domain by SELinuxContext= "
		    "(SELINUX in sdwd(1))",
		    DOMAIN_SHOWN, domain, DOMAIN_SHOWN, s->selinux.wanted, refused > 0 ? ": " : "",
		    refused > 0 ? strerror(refused) : "");
}

void message_domain(struct supervisor *s) {
	char actual[SELINUX_CONTEXT_MAX];
	const char *domain = s->selinux.wanted;

	if (s->domain < 0)
		log_warning("SELinux: cannot find out the domain that systemd would have given the "
			    "service: %s; it has the one that the policy gives it under sdwd "
			    "(SELINUX in sdwd(1))",
			    strerror(-s->domain));
	if (s->domain <= 0)
		return;
	if (selinux_is_elsewhere(&s->selinux, s->child.pid, s->child.domain_error, actual)) {
		warn_elsewhere(s, actual);
		domain = actual;
	}
	/* PR_SET_PDEATHSIG does not outlive a change of the domain, whoever sets it. */
	if (s->conf->pdeathsig > 0 && strcmp(domain, s->selinux.own) != 0)
		log_warning("--pdeathsig has no effect: at the change to the domain %.*s the "
			    "kernel takes it back",
			    DOMAIN_SHOWN, domain);
}

void message_action(struct supervisor *s, const char *what) {
	const struct finding *edge = &s->act.edge;

	emit(s, LOG_LEVEL_NOTICE, MESSAGE_ID_ACTION, supervisor_probe_name(s, edge->slot),
	     cause_str(edge->cause), what);
}

void message_child_gone(struct supervisor *s, int wait_status) {
	char message[LOG_MESSAGE_MAX], name[SIGNAL_STR_MAX];
	bool is_clean = wait_status == 0 || s->life >= LIFE_STOPPING;

	if (WIFSIGNALED(wait_status))
		snprintf(message, sizeof(message), "the service was killed by %s%s",
			 signal_str(name, WTERMSIG(wait_status)),
			 WCOREDUMP(wait_status) ? " (core dumped)" : "");
	else
		snprintf(message, sizeof(message), "the service exited with %d",
			 WEXITSTATUS(wait_status));
	emit(s, is_clean ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE, MESSAGE_ID_GONE, NULL, NULL, message);
}

void message_child_lost(struct supervisor *s, pid_t pid, bool is_decided) {
	char message[LOG_MESSAGE_MAX];

	snprintf(message, sizeof(message), "pid %d has ended, and only its parent knows how%s", pid,
		 is_decided ? "" : ": it counts as exit code 1");
	emit(s, LOG_LEVEL_WARNING, MESSAGE_ID_GONE, NULL, NULL, message);
}

void message_exec_failed(struct supervisor *s, enum child_stage stage, int error) {
	static const char *const stages[] = {
		[CHILD_STAGE_FORK] = "fork",
		[CHILD_STAGE_GROUP] = "process group",
		[CHILD_STAGE_FDS] = "file descriptors",
		[CHILD_STAGE_PARENT_GONE] = "--pdeathsig",
		[CHILD_STAGE_EXEC] = "exec",
	};
	const char *command = s->conf->command[0];
	char message[LOG_MESSAGE_MAX];
	/* ENOENT is said of a file that is not there, and of the interpreter of one that is. */
	bool is_there = stage == CHILD_STAGE_EXEC && error == ENOENT && command[0] == '/' &&
			access(command, F_OK) == 0;

	snprintf(message, sizeof(message), "cannot execute '%s': %s%s%s%s", command,
		 stage == CHILD_STAGE_EXEC ? "" : stages[stage],
		 stage == CHILD_STAGE_EXEC ? "" : ": ", strerror(error),
		 is_there ? " (the file is there, but not its interpreter)" : "");
	emit(s, LOG_LEVEL_ERR, MESSAGE_ID_EXEC_FAILED, NULL, NULL, message);
	status_send_error(s, error, message);
}

void message_start_timeout(struct supervisor *s, const char *missing) {
	char message[LOG_MESSAGE_MAX], limit[USEC_STR_MAX];

	snprintf(message, sizeof(message),
		 "not ready within --start-timeout=%s: %s; ending the service",
		 usec_str(limit, s->conf->start_timeout_usec), missing);
	emit(s, LOG_LEVEL_ERR, MESSAGE_ID_START_TIMEOUT, NULL, NULL, message);
}

/* With a short watchdog on a busy machine there may be one in each turn. */
#define STALL_SPACING USEC_PER_SEC

static void tell_stalls(struct supervisor *s) {
	char message[LOG_MESSAGE_MAX], late[USEC_STR_MAX], given[USEC_STR_MAX];
	usec_t gap = s->untold.gap_usec, credit = s->untold.credit_usec;
	struct text t = TEXT_OVER(message);

	text_addf(&t,
		  "sdwd itself did not run for %s; %s%s against the service (machine suspended, "
		  "sdwd stopped, or no processor time)",
		  usec_str_short(late, gap), credit >= gap ? "" : usec_str_short(given, credit),
		  credit >= gap ? "none of it counts" : " of it does not count");
	if (s->untold.n > 1)
		text_addf(&t, "; in %lu pieces", s->untold.n);
	s->untold = (struct untold){.at = usec_add(s->now, STALL_SPACING)};
	emit(s, LOG_LEVEL_WARNING, MESSAGE_ID_STALL, NULL, NULL, message);
}

void message_stall(struct supervisor *s, usec_t gap, usec_t credit) {
	s->untold.n++;
	s->untold.gap_usec = usec_add(s->untold.gap_usec, gap);
	/* The credit may be more than the gap: that is nothing of another one. */
	s->untold.credit_usec = usec_add(s->untold.credit_usec, MIN(gap, credit));
	message_turn(s);
}

void message_turn(struct supervisor *s) {
	if (message_next_at(s) <= s->now)
		tell_stalls(s);
}

void message_done(struct supervisor *s) {
	if (s->untold.n > 0)
		tell_stalls(s);
}

usec_t message_next_at(const struct supervisor *s) {
	return s->untold.n > 0 ? s->untold.at : USEC_INFINITY;
}

void message_adopted(struct supervisor *s, pid_t pid, const char *how) {
	char message[LOG_MESSAGE_MAX];

	snprintf(message, sizeof(message), "supervising pid %d (%s)", pid, how);
	emit(s, LOG_LEVEL_INFO, MESSAGE_ID_ADOPTED, NULL, NULL, message);
}

void message_hook(struct supervisor *s, const char *what) {
	char message[LOG_MESSAGE_MAX];

	snprintf(message, sizeof(message), "--unhealthy-hook: %s", what);
	emit(s, LOG_LEVEL_WARNING, MESSAGE_ID_HOOK, NULL, NULL, message);
}

void message_paused(struct supervisor *s, usec_t for_usec, const char *who) {
	char message[LOG_MESSAGE_MAX], span[USEC_STR_MAX];

	snprintf(message, sizeof(message), "paused by %s %s%s: nothing is acted upon", who,
		 for_usec == USEC_INFINITY ? "until it is resumed" : "for ",
		 for_usec == USEC_INFINITY ? "" : usec_str(span, for_usec));
	emit(s, LOG_LEVEL_NOTICE, MESSAGE_ID_PAUSED, NULL, NULL, message);
}

void message_resumed(struct supervisor *s, bool was_paused, const char *who) {
	char message[LOG_MESSAGE_MAX];

	if (!who)
		snprintf(message, sizeof(message), "resumed: the pause is over");
	else
		snprintf(message, sizeof(message), "%s by %s",
			 was_paused ? "resumed" : "the drill was ended", who);
	emit(s, LOG_LEVEL_NOTICE, MESSAGE_ID_RESUMED, NULL, NULL, message);
}

void message_drill(struct supervisor *s, size_t slot, const char *who) {
	const char *name = supervisor_probe_name(s, (ptrdiff_t)slot);
	char message[LOG_MESSAGE_MAX];

	snprintf(message, sizeof(message), "drill by %s: %s counts as failed until it is resumed",
		 who, name);
	emit(s, LOG_LEVEL_NOTICE, MESSAGE_ID_DRILL, name, cause_str(CAUSE_DRILL), message);
}
