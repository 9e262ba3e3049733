/* SPDX-License-Identifier: MIT */
/* What must be there before the child is started, and its start. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/internal.h"
#include "probe/heartbeat.h"
#include "sys/proc.h"
#include "sys/self.h"

static int open_journal(struct supervisor *s) {
	int r = journal_open(&s->journal, s->conf->log_target == LOG_TARGET_JOURNAL,
			     s->conf->log_target == LOG_TARGET_STDERR);

	if (r < 0) {
		log_error("%s: %s",
			  s->conf->log_target == LOG_TARGET_JOURNAL ? "--log-target=journal"
								    : "cannot open the log",
			  strerror(-r));
		return r;
	}
	s->journal.label = s->conf->label;
	log_set_sink(journal_sink, &s->journal);
	log_set_level((enum log_level)s->conf->log_level);
	return 0;
}

/* Who acts on an unhealthy child: without a manager above us, we do. */
static void choose_mode(struct supervisor *s) {
	s->has_watchdog = s->setup->env.watchdog_usec > 0 && notifier_is_open(&s->notifier);
	s->mode = (enum on_unhealthy)s->conf->on_unhealthy;
	if (!notifier_is_open(&s->notifier) &&
	    (s->mode == ON_UNHEALTHY_WITHHOLD || s->mode == ON_UNHEALTHY_TRIGGER))
		s->mode = ON_UNHEALTHY_KILL;
}

static int make_probes(struct supervisor *s, struct text *error) {
	s->slots = calloc(s->conf->n_probes + 1, sizeof(*s->slots));
	if (!s->slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->conf->n_probes; i++) {
		const struct probe_conf *c = s->conf->probes[i];
		struct probe *p;
		int r = probe_new(c, &s->owner, s->loop, &p, error);

		if (r < 0)
			return r;
		s->slots[i] = (struct slot){.probe = p, .closed_at = USEC_INFINITY};
		s->n_slots++;
		if (strcmp(c->kind->name, "notify") == 0)
			s->notify_slot = (ptrdiff_t)i;
	}
	return 0;
}

/* The number that the user gave to the pipe of a heartbeat, or -1. */
static int settled_fd(const struct probe_conf *c) {
	const struct heartbeat_settings *settings = c->settings;

	return c->kind == probe_heartbeat.kind ? settings->fd : -1;
}

int supervisor_check(const struct supervisor_setup *setup, struct text *errors) {
	const struct conf *c = setup->conf;
	int result = prober_is_needed(c) ? prober_check(c, errors) : 0;

	for (size_t i = 0; i < c->n_probes; i++) {
		char name[32];
		int fd = settled_fd(c->probes[i]);
		bool is_free = fd < 0 || !inherit_has(fd);

		for (size_t k = 0; k < i && is_free && fd >= 0; k++)
			is_free = settled_fd(c->probes[k]) != fd;
		if (is_free)
			continue;
		if (errors->length > 0)
			text_add(errors, "\n");
		snprintf(name, sizeof(name), "heartbeat=%d", fd);
		conf_add_place(errors, &c->probes[i]->origin, name);
		text_add(errors, "this fd is in use already");
		result = -EINVAL;
	}
	return result;
}

int launch_prepare(struct supervisor *s) {
	const char *address = getenv("NOTIFY_SOCKET");
	char reason[LOG_MESSAGE_MAX];
	struct text error = TEXT_OVER(reason);
	int r;

	r = open_journal(s);
	if (r < 0)
		return r;
	r = notifier_open(&s->notifier, address && *address ? address : NULL);
	if (r < 0) {
		log_error("cannot speak to systemd: NOTIFY_SOCKET='%s': %s", address, strerror(-r));
		return r;
	}
	s->notifier.on_sent = status_on_sent;
	s->notifier.on_fd = unclosed_on_fd;
	s->notifier.context = s;
	choose_mode(s);
	if (s->setup->is_from_manager)
		proc_note_before();
	r = signals_open(s->setup->signals);
	if (r < 0) {
		log_error("signalfd: %s", strerror(-r));
		return r;
	}
	r = !s->conf->unhealthy_hook ? 0
				     : spawn_command_parse(&s->act.hook, s->conf->unhealthy_hook);
	if (r < 0) {
		log_error("--unhealthy-hook: '%s' is not a command: %s", s->conf->unhealthy_hook,
			  r == -EINVAL ? "empty, or a quote is not closed" : strerror(-r));
		return r;
	}
	r = prober_is_needed(s->conf) ? prober_open(&s->prober, s->loop, &error) : 0;
	if (r == 0)
		r = make_probes(s, &error);
	if (r == 0)
		r = adopt_init(s, &error);
	if (r < 0) {
		log_error("%s", error.length > 0 ? reason : strerror(-r));
		return r;
	}
	r = relay_open(s);
	if (r < 0) {
		log_error("cannot make the child's NOTIFY_SOCKET: %s", strerror(-r));
		return r;
	}
	tty_init(&s->tty);
	message_start(s);
	return 0;
}

/* The environment that only the child gets; freed after the start. */
struct surroundings {
	char **set;
	size_t n_set;
	struct child_fd *fds;
	int *taken;
	size_t n_fds;
};

static int surroundings_add(struct surroundings *e, const char *format, ...) printf_like(2, 3);

static int surroundings_add(struct surroundings *e, const char *format, ...) {
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&e->set[e->n_set], format, arguments);
	va_end(arguments);
	if (r < 0) {
		e->set[e->n_set] = NULL;
		return -ENOMEM;
	}
	e->n_set++;
	return 0;
}

static void surroundings_done(struct surroundings *e) {
	for (size_t i = 0; i < e->n_set; i++)
		free(e->set[i]);
	free(e->set);
	free(e->fds);
	free(e->taken);
}

/* SDWD_HEARTBEAT_FD_<NAME>: the probe's name in capitals, everything but letters and digits as '_'.
 */
static int add_heartbeat(struct surroundings *e, const struct probe *p, int as, bool is_first) {
	char name[64];
	size_t length = 0;
	int r;

	for (const char *c = p->conf->name; *c != '\0' && length + 1 < sizeof(name); c++) {
		bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');

		name[length++] = is_letter ? (char)(*c & ~0x20) : *c >= '0' && *c <= '9' ? *c : '_';
	}
	name[length] = '\0';
	r = surroundings_add(e, "SDWD_HEARTBEAT_FD_%s=%d", name, as);
	if (r == 0 && is_first)
		r = surroundings_add(e, "SDWD_HEARTBEAT_FD=%d", as);
	return r;
}

static int add_heartbeats(struct supervisor *s, struct surroundings *e) {
	long limit = sysconf(_SC_OPEN_MAX);

	/* Settled numbers first: the free ones must not take them. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n_slots; i++) {
			struct probe *p = s->slots[i].probe;
			const struct heartbeat_settings *settings = p->conf->settings;
			int as;

			if (p->class != &probe_heartbeat || (settings->fd >= 0) != (pass == 0))
				continue;
			as = heartbeat_choose_fd(p, e->taken, e->n_fds);
			if (as < 0) {
				log_error("--heartbeat=%d: this fd is in use already",
					  settings->fd);
				return as;
			}
			if (settings->fd >= 0 && limit >= 0 && as >= limit) {
				log_error("--heartbeat=%d: the limit of open files is %ld "
					  "(LimitNOFILE=)",
					  as, limit);
				return -EMFILE;
			}
			e->taken[e->n_fds] = as;
			e->fds[e->n_fds].fd = heartbeat_child_end(p, &e->fds[e->n_fds].as);
			e->n_fds++;
		}
	for (size_t i = 0, n = 0; i < s->n_slots; i++) {
		struct probe *p = s->slots[i].probe;
		int as, r;

		if (p->class != &probe_heartbeat)
			continue;
		(void)heartbeat_child_end(p, &as);
		r = add_heartbeat(e, p, as, n++ == 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int surroundings_make(struct supervisor *s, struct surroundings *e) {
	int r;

	/* Two for each heartbeat, and NOTIFY_SOCKET. */
	e->set = calloc(2 * s->n_slots + 2, sizeof(*e->set));
	e->fds = calloc(s->n_slots + 1, sizeof(*e->fds));
	e->taken = calloc(s->n_slots + 1, sizeof(*e->taken));
	if (!e->set || !e->fds || !e->taken)
		return -ENOMEM;
	r = add_heartbeats(s, e);
	if (r == 0 && s->relay.path)
		r = surroundings_add(e, "NOTIFY_SOCKET=%s", s->relay.path);
	return r;
}

/* A stop that came before there was anything to stop: end as the command would have, without
 * starting it. */
static int pending_stop(const struct supervisor *s) {
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return 0;
	for (int n = 1; n <= SIGNAL_MAX; n++)
		if (conf_has_signal(s->stop_signals, n) && sigismember(&pending, n) == 1)
			return n;
	return 0;
}

static void tell_refused(int r, const char *option) {
	if (r == SELF_DEADLY)
		log_warning("--%s: not done: SystemCallFilter= of the unit would kill sdwd for it",
			    option);
	else if (r < 0)
		log_warning("--%s: not done: %s", option, strerror(-r));
}

static void harden_self(struct supervisor *s) {
	const struct conf *c = s->conf;
	char option[64];

	if (c->mlock)
		tell_refused(self_lock_memory(), "mlock");
	if (c->rtprio > 0) {
		snprintf(option, sizeof(option), "rtprio=%d", c->rtprio);
		tell_refused(self_set_rtprio(c->rtprio), option);
	}
	if (c->nice != INT_MAX) {
		snprintf(option, sizeof(option), "nice=%d", c->nice);
		tell_refused(self_set_nice(c->nice), option);
	}
	if (c->oom_score_adjust != INT_MAX) {
		snprintf(option, sizeof(option), "oom-score-adjust=%d", c->oom_score_adjust);
		tell_refused(self_set_oom_score(c->oom_score_adjust), option);
	}
}

static usec_t child_watchdog(const struct supervisor *s) {
	return s->notify_slot < 0 ? 0 : s->slots[s->notify_slot].probe->conf->silence_usec;
}

int launch_start(struct supervisor *s) {
	static const char *const unset[] = {"NOTIFY_SOCKET", NULL};
	struct surroundings surroundings = {0};
	struct child_conf c = {
		.command = s->conf->command,
		.argv0 = s->conf->argv0,
		.signals = s->setup->signals,
		.inherit = s->setup->inherit,
		.unset_env = s->relay.path ? NULL : unset,
		.watchdog_usec = child_watchdog(s),
		.setsid = s->conf->setsid,
		.pdeathsig = s->conf->pdeathsig,
		.is_foreground = tty_is_interactive(&s->tty),
	};
	int r, stop;

	r = self_become_subreaper();
	if (r < 0 && s->adopt.step != ADOPT_OFF) {
		log_error("--%s needs PR_SET_CHILD_SUBREAPER: %s",
			  s->adopt.path ? "pidfile" : "forking", strerror(-r));
		return r;
	}
	if (r < 0)
		log_warning("PR_SET_CHILD_SUBREAPER: %s; orphans will not be seen", strerror(-r));
	r = self_keep_scheduling();
	if (r != 0)
		log_warning("SCHED_RESET_ON_FORK: the command does not get the scheduling of the "
			    "unit: %s",
			    r < 0 ? strerror(-r) : "SystemCallFilter= would kill it for that");
	r = surroundings_make(s, &surroundings);
	if (r < 0) {
		if (r == -ENOMEM)
			log_error("cannot make the command's environment: %s", strerror(-r));
		surroundings_done(&surroundings);
		return r;
	}
	c.set_env = surroundings.set;
	c.fds = surroundings.fds;
	c.n_fds = surroundings.n_fds;
	if (s->setup->is_from_manager)
		s->domain = selinux_init(&s->selinux, s->conf->command[0]);
	if (s->domain > 0 && selinux_must_ask(&s->selinux)) {
		c.domain = s->selinux.wanted;
		c.file = s->selinux.file;
	}

	stop = pending_stop(s);
	if (stop > 0) {
		char name[SIGNAL_STR_MAX];

		surroundings_done(&surroundings);
		log_notice("%s came before the start: nothing was started", signal_str(name, stop));
		s->ending.wait_status = stop;
		s->ending.has_status = true;
		return 1;
	}
	s->now = s->started_at = usec_now();
	r = child_start(&s->child, &c);
	surroundings_done(&surroundings);
	if (r < 0) {
		log_error("cannot start '%s': %s", s->conf->command[0], strerror(-r));
		return r;
	}
	tty_give(&s->tty, s->child.pgid);
	if (s->conf->start_timeout_usec != USEC_INFINITY)
		s->start_timeout_at = usec_add(s->started_at, s->conf->start_timeout_usec);
	else if (!notifier_is_open(&s->notifier))
		s->remind_at = usec_add(s->started_at, USEC_PER_MINUTE);
	if (s->conf->extend_start_usec > 0) {
		s->extend_at = s->started_at;
		s->extend_until_at = usec_add(s->started_at, s->conf->extend_start_usec);
	}
	harden_self(s);
	/* No mount is held by our working folder; relative paths were made absolute before. */
	if (chdir("/") < 0)
		log_warning("chdir /: %s", strerror(errno));
	return 0;
}

/* What was said in time counts, though it is read late; so does READY=1 that the manager did not
 * take yet: then this is asked again. */
bool launch_is_late(struct supervisor *s) {
	if (s->start_timeout_at > s->now)
		return false;
	if (s->life == LIFE_STARTING && !s->is_ready_sent) {
		relay_drain(s, USEC_INFINITY);
		looks_hear(s, NULL);
		judge_now(s);
		supervisor_check_ready(s);
	}
	if (s->is_ready_sent && s->start_timeout_at != USEC_INFINITY)
		s->start_timeout_at = usec_add(s->now, NOTIFIER_RETRY_USEC);
	return s->start_timeout_at <= s->now;
}
