/* SPDX-License-Identifier: MIT */
#pragma once

#include <ev.h>
#include <signal.h>

#include "app/adopt.h"
#include "app/control.h"
#include "app/helpers.h"
#include "app/hold.h"
#include "app/prober.h"
#include "app/supervisor.h"
#include "app/unclosed.h"
#include "core/allowance.h"
#include "core/late.h"
#include "core/lifecycle.h"
#include "core/monitor.h"
#include "core/stats.h"
#include "probe/probe.h"
#include "sys/child.h"
#include "sys/journal.h"
#include "sys/loop.h"
#include "sys/notifier.h"
#include "sys/notify_sock.h"
#include "sys/reaper.h"
#include "sys/selinux.h"
#include "sys/spawn.h"
#include "sys/tty.h"

/*
 * What the files of this room share: the one supervisor and the functions that they call of each
 * other.  Each file has one job, named in its heading; all of them run on the one loop.  Times are
 * absolute, USEC_INFINITY is "off".
 */

/* One configured probe and what was last found out. Index in slots = index in the monitor. */
struct slot {
	struct probe *probe;
	struct outcome last; /* of the newest look or beat; cause of a lease that ran out */
	bool has_last;
	usec_t looked_at; /* the newest look ended, or the newest sign of life came */
	struct stats stats;
	usec_t asked_at;  /* of the newest good evidence: when it was asked for, or came unasked */
	usec_t closed_at; /* CAUSE_CLOSED is judged then, unless the child's end comes first */
	usec_t extended_at; /* of a stall: as the child asked behind its last beat; 0: it did not */
};

/* What hooks, checks, systemd and the journal are told of a probe. */
struct finding {
	ptrdiff_t slot; /* -1: the process */
	enum cause cause;
	unsigned streak;
	char text[OUTCOME_TEXT_MAX];
};

/* reload.c: the reload that sdwd itself answers for. */
struct reload {
	bool is_open;
	usec_t at; /* when the signal was passed on */
};

/* pause.c: what the control socket was told. */
struct pause {
	usec_t for_usec;        /* as it was asked */
	usec_t at;              /* its end; of a pause without one, and without a pause: never */
	usec_t start_left_usec; /* of --start-timeout, which waits meanwhile */
};

/* message.c: stalls of sdwd itself, told together once a second at most. */
struct untold {
	unsigned long n;
	usec_t gap_usec, credit_usec; /* of all of them */
	usec_t at;                    /* they are told then */
};

/* Ways to a datagram's acceptance (notifier tokens). */
/* RELOAD: without it systemd would end a healthy service. */
enum token { TOKEN_NONE, TOKEN_READY, TOKEN_TRIGGER, TOKEN_RELOAD };

/* What proc_is_descendant() said of whoever sent a datagram. */
struct sender {
	pid_t pid;
	int is_descendant;
};

/* unhealthy.c: what follows the edge to unhealthy, step by step. */
enum act_step { ACT_IDLE, ACT_DUMP_WAIT, ACT_HOOK, ACT_DONE };

struct act {
	enum act_step step;
	struct finding edge; /* the newest: what is found after it does not change its reason */
	bool is_recovery;    /* the hook that runs is for the recovery */
	usec_t at;           /* end of dump-wait or hook-timeout */
	pid_t hook_pid;      /* 0: none runs */
	struct spawn_command hook;
	bool owes_recovery; /* recovered while the hook of the edge still ran */
	bool owes_edge;     /* unhealthy again while the hook of the recovery still ran */
};

/* ending.c: how the end goes. */
enum end_step {
	END_NONE,
	END_TERM,
	END_KILL,
	END_COLLECT,
	END_ORPHANS,
	END_ORPHANS_KILL,
	END_HELPERS,
};

struct ending {
	enum end_step step;
	usec_t at;            /* of the next escalation */
	bool is_own_decision; /* exit 124 whatever the child's status */
	bool was_decided;     /* the same: it ended between the edge and our signal */
	int wait_status;      /* of the supervised process, or as it must be reported */
	bool has_status;
	bool is_ours;    /* the status: sdwd itself failed, --exit-map is about the child */
	int stop_signal; /* the one that began the stop, 0: none did */
	uint64_t owed;   /* signals that found the child dead, for what it leaves behind */
	pid_t *told;     /* orphans that got their SIGTERM, owned */
	size_t n_told, size_told;
	size_t n_gone;                 /* that were reaped since the last SIGKILL to orphans */
	usec_t in_vain_at;             /* when it is given up, where none is */
	usec_t kill_until_at;          /* when it is given up */
	char reason[OUTCOME_TEXT_MAX]; /* why it ended before it was ready; empty: it did not */
};

struct supervisor {
	const struct supervisor_setup *setup;
	const struct conf *conf;
	usec_t watchdog_usec;
	bool has_watchdog; /* systemd's: pings are wanted */
	enum on_unhealthy mode;
	uint64_t stop_signals; /* as of conf, and the unit's own where known */
	pid_t manager_pid;     /* who started us */

	struct ev_loop *loop;
	struct ev_io signals_io, exec_io, relay_io;
	struct ev_timer timer;
	usec_t now;         /* of this turn */
	usec_t wake_at;     /* what the timer was set for */
	usec_t turn_at;     /* when this turn began */
	usec_t behind_usec; /* in a stall: what is to be taken out of time yet */

	enum life_state life;
	struct counters counters;
	struct untold untold;
	struct slot *slots;
	size_t n_slots;
	ptrdiff_t notify_slot; /* of --notify, -1: none */
	struct probe_owner owner;

	struct child child;
	int domain;            /* what selinux_init() returned; 0 where no manager started us */
	usec_t proc_look_at;   /* when /proc is to tell of the child again, and not waitid alone */
	bool is_child_stopped; /* as waitid said last */
	bool is_reap_due;      /* more have ended than one turn takes */
	usec_t reap_until_at;  /* of this turn */
	struct tty tty;
	struct adopt adopt;
	struct helpers helpers;
	struct act act;
	struct pause pause;
	struct ending ending;

	struct notifier notifier;
	usec_t flush_at;
	unsigned long lost_told; /* of notifier.n_lost */
	usec_t mute_since;       /* no message was taken since then; 0: they are taken */
	struct notify_sock relay;
	usec_t signals_at; /* signals are read and the dead are looked for again, after a fault */
	usec_t settle_at;  /* wakes once after something was begun to be watched: loop_again() */
	unsigned n_signal_faults, n_relay_faults; /* in a row */
	usec_t relay_at; /* a relay that is held rests until then, or until the child is overdue */
	struct allowance relay_allowance;
	struct sender sender; /* of the last datagram in this turn */
	struct late late;     /* orphans whose last words may still wait there */
	uint64_t relay_mark;  /* what can have waited at it was said before relay_mark() */
	int access;           /* enum notify_access, as it is now */
	bool is_relay_held;   /* not listened to: in a rest, and while the manager does not read
			       */
	bool has_told_mute;
	bool has_told_refused;
	bool has_told_lost;
	bool is_finishing;  /* what the child said before STOPPING=1 is being read */
	bool owes_stopping; /* a stop signal came, STOPPING=1 is not said yet */
	bool has_said_stopping;
	bool is_child_ready; /* READY=1 came from it */
	bool is_ready_sent;  /* READY=1 was handed to the notifier */
	bool is_reloading;   /* RELOADING=1 was forwarded */
	struct reload reload;
	usec_t status_at; /* when the next one may go */
	bool is_status_due;

	struct journal journal;
	struct control control;
	usec_t state_at; /* when life became what it is */
	usec_t started_at, start_timeout_at, extend_at, extend_until_at, remind_at;
	usec_t evidence_at; /* the last good evidence of the composite while it was good; 0: none */

	/* What is large, and not touched by everybody, stands last: a page that nobody writes to
	 * costs nothing. */
	struct hold hold;
	struct prober prober;
	struct monitor monitor;
	struct unclosed unclosed, unclosed_of_looks;
	char status_sent[NOTIFY_MSG_MAX];
	char child_status[2048];         /* its STATUS=, clean; empty: none */
	struct notify_datagram datagram; /* the one being worked on */
	struct selinux selinux;
};

/* supervisor.c: the loop, the turn, and the one place where the life's state changes */
void supervisor_give_up(struct supervisor *s, const char *what)
	__attribute__((noreturn)); /* ends the child, and sdwd with 125; the loop is not used */
void supervisor_event(struct supervisor *s, enum life_event event);
bool supervisor_has_started(const struct supervisor *s); /* LAUNCHING is over, no stop began */
void supervisor_check_ready(struct supervisor *s);
const char *supervisor_probe_name(const struct supervisor *s,
				  ptrdiff_t slot); /* "process" for MONITOR_PROCESS */

/* owner.c: what the probes tell and ask */
extern const struct probe_owner owner_of_probes;

/* process.c */
enum process_state process_look(struct supervisor *s);

/* looks.c: outcomes into the monitor, looks out of it, the process, the pings */
void looks_outcome(struct supervisor *s, struct probe *p, const struct outcome *o);
ptrdiff_t looks_slot_of(const struct supervisor *s, const struct probe *p);
void looks_begin(struct supervisor *s);
void looks_end(struct supervisor *s);  /* a stop began: cancel all */
void looks_turn(struct supervisor *s); /* timed-out looks, deadlines, new looks */
void looks_ping(struct supervisor *s);
bool looks_owe_ping(const struct supervisor *s); /* the manager's queue had no room for it */
void looks_process(struct supervisor *s);
/* What push probes have not read yet, but for @except's (or NULL). */
void looks_hear(struct supervisor *s, const struct probe *except);
void looks_mark(struct supervisor *s); /* what push probes have not read yet was said before now */
/* The child asked for more time: the lease of @slot lasts until @until_at at least. */
void looks_extend(struct supervisor *s, size_t slot, usec_t until_at);
void looks_trigger(struct supervisor *s, ptrdiff_t slot); /* the child said WATCHDOG=trigger */
/*
 * From when on the child is overdue, whose silence --notify watches: half of that before its lease
 * ends, as it is told to ping twice in that time (sd_watchdog_enabled(3)). USEC_INFINITY: never.
 */
usec_t looks_overdue_at(const struct supervisor *s);
usec_t looks_stall(struct supervisor *s, usec_t scheduled_at); /* returns the credit */
usec_t looks_next_at(const struct supervisor *s);
void looks_keep_last(struct supervisor *s, size_t i, const struct outcome *o);

/* judge.c: the service's health from all of it */
void judge_now(struct supervisor *s);
/* The child said WATCHDOG=trigger; @slot -1: of no probe. */
void judge_trigger(struct supervisor *s, ptrdiff_t slot);
/* The words for probe @i whose @lease ran out. */
void judge_say_run_out(const struct supervisor *s, size_t i, const struct lease *lease,
		       struct text *t);

/* launch.c: surroundings, environment and start of the child */
int launch_prepare(struct supervisor *s);
int launch_start(struct supervisor *s);
bool launch_is_late(struct supervisor *s); /* --start-timeout is over */

/* forward.c: signals in */
void forward_start(struct supervisor *s);
void forward_drain(struct supervisor *s);
void forward_turn(struct supervisor *s); /* after a fault: listens again */
void forward_tell_stop(struct supervisor *s);
void forward_pass_on(struct supervisor *s, const struct signalfd_siginfo *info);

/* reload.c */
void reload_begin(struct supervisor *s, int number); /* right before the signal goes on */
void reload_turn(struct supervisor *s);
void reload_give_up(struct supervisor *s); /* the child answers itself, or a stop began */

/* reap.c */
void reap_turn(struct supervisor *s); /* a bounded turn; is_reap_due: more may wait */
void reap_last(struct supervisor *s);
void reap_last_words(struct supervisor *s); /* of the supervised process, which has ended */

/* relay.c */
int relay_open(struct supervisor *s);
void relay_start(struct supervisor *s);
/* Now, what waits, before something is judged: a turn of it, and more turns until @until_at. */
void relay_drain(struct supervisor *s, usec_t until_at);
/* What waits now is no evidence of after now, however late it is read. */
void relay_mark(struct supervisor *s);
/* Who sends without end is not read for a while, but where something is judged, or the child is
 * overdue. */
bool relay_is_resting(const struct supervisor *s);
void relay_turn(struct supervisor *s); /* listens again after a rest, or once the manager reads */
usec_t relay_next_at(const struct supervisor *s);
void relay_words(struct supervisor *s, struct probe *p, const struct notify_msg *m);
void relay_done(struct supervisor *s);

/* relay_sender.c */
bool relay_may_send(struct supervisor *s, const struct notify_datagram *d,
		    const struct notify_msg *m);
void relay_set_access(struct supervisor *s, const struct notify_msg *m); /* NOTIFYACCESS= */

/* status.c: up to systemd */
void status_turn(struct supervisor *s);
void status_changed(struct supervisor *s);
void status_health(const struct supervisor *s, struct text *t);
/* The same without "starting: ", where that is told already. */
void status_missing(const struct supervisor *s, struct text *t);
/* Where systemd's own timer has ended, or is about to, and no verdict told why: since when there
 * was no ping, and who is silent. Else nothing. */
void status_unpinged(const struct supervisor *s, struct text *t);
void status_compose(const struct supervisor *s, struct text *t); /* what STATUS= says as a whole */
void status_send_due(struct supervisor *s); /* at once, where one waits for its second */
void status_send_ready(struct supervisor *s);
void status_send_stopping(struct supervisor *s, const char *reason);
void status_send_trigger(struct supervisor *s);
void status_send_error(struct supervisor *s, int error, const char *reason); /* STATUS and ERRNO */
void status_on_sent(void *context, unsigned token);
usec_t status_next_at(const struct supervisor *s);

/* environment.c: what hooks and checks learn */
void environment_fill(const struct supervisor *s, const struct finding *f, const char *state,
		      struct check_environment *ret);
void environment_of_probe(struct probe_owner *owner, struct probe *p,
			  struct check_environment *ret); /* for probe_owner */

/* unhealthy.c */
void act_begin(struct supervisor *s);
void act_recover(struct supervisor *s);
bool act_reaped(struct supervisor *s, const struct reaped *r);
void act_turn(struct supervisor *s);
void act_stop(struct supervisor *s); /* a stop began */
void act_done(struct supervisor *s);

/*
 * pause.c; @who asked, for the log (pause_end() NULL: its time is over). Returns NULL, or why it is
 * refused.
 */
const char *pause_begin(struct supervisor *s, usec_t for_usec, const char *who);
const char *pause_end(struct supervisor *s, const char *who); /* and all drills */
const char *pause_drill(struct supervisor *s, size_t slot, const char *who);
void pause_turn(struct supervisor *s);
bool pause_is_on(const struct supervisor *s);
void pause_say(const struct supervisor *s,
	       struct text *t); /* for STATUS=, before the health; nothing where it is not on */

/* ending.c */
void ending_kill_child(struct supervisor *s, const char *reason); /* our own decision: 124 */
void ending_child_gone(struct supervisor *s, int wait_status);
void ending_child_lost(struct supervisor *s, pid_t pid); /* how, only its parent knows */
void ending_collect(struct supervisor *s);               /* what is left, by ending_turn() */
/* Signal @number to what a dead child leaves behind, once it is waited for. Returns false where the
 * child lives, or nothing is left or waited for. */
bool ending_pass_on(struct supervisor *s, int number);
void ending_turn(struct supervisor *s);
void ending_at_once(struct supervisor *s,
		    const char *reason); /* of the child, waiting for it: there is no loop */
struct supervisor_end ending_result(const struct supervisor *s);
void ending_done(struct supervisor *s);

/* control.c: the control socket */
void control_init(struct supervisor *s);
void control_open(struct supervisor *s);    /* one line where it cannot be made; nothing needs it */
void control_turn(struct supervisor *s);    /* last in a turn: a bounded piece of its work */
void control_changed(struct supervisor *s); /* something that is shown */
usec_t control_next_at(const struct supervisor *s);
void control_done(struct supervisor *s);

/* message.c: the log lines that have ids and fields */
void message_unhealthy(struct supervisor *s); /* of act.edge, as message_action() */
void message_recovered(struct supervisor *s);
void message_degraded(struct supervisor *s, bool is_degraded);
void message_ready(struct supervisor *s);
void message_start(struct supervisor *s);
void message_domain(struct supervisor *s); /* exec succeeded */
void message_action(struct supervisor *s, const char *what);
void message_child_gone(struct supervisor *s, int wait_status);
/* @is_decided: its status is not what sdwd ends with. */
void message_child_lost(struct supervisor *s, pid_t pid, bool is_decided);
void message_exec_failed(struct supervisor *s, enum child_stage stage, int error);
void message_start_timeout(struct supervisor *s, const char *missing);
void message_stall(struct supervisor *s, usec_t gap,
		   usec_t credit); /* now, or by message_turn() once the second is over */
void message_turn(struct supervisor *s);
void message_done(struct supervisor *s); /* no turn follows: what would be told soon */
usec_t message_next_at(const struct supervisor *s);
void message_adopted(struct supervisor *s, pid_t pid, const char *how);
void message_hook(struct supervisor *s, const char *what);
void message_paused(struct supervisor *s, usec_t for_usec, const char *who);
void message_resumed(struct supervisor *s, bool was_paused, const char *who);
void message_drill(struct supervisor *s, size_t slot, const char *who);
