/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "base/log.h"
#include "conf/conf.h"
#include "conf/values.h"

/* Bounds that keep sums of durations far from overflow; a year is beyond any sensible setting. */
#define SHORTEST USEC_PER_MSEC
#define SHORTEST_INTERVAL (10 * USEC_PER_MSEC)
#define LONGEST (52 * 7 * 24 * 60 * USEC_PER_MINUTE)

#define PUSH (1U << PROBE_PUSH)
#define PULL (1U << PROBE_PULL)
#define STATE (1U << PROBE_STATE)

#define WORDS(...) ((const struct opt_word[]){__VA_ARGS__, {NULL, 0}})

#define DURATION(lowest, highest) \
	.argument = "DURATION", .parse = opt_parse_duration, .minimum = (lowest), \
	.maximum = (highest)
#define NUMBER(lowest, highest) \
	.argument = "N", .parse = opt_parse_integer, .minimum = (uint64_t)(lowest), \
	.maximum = (uint64_t)(highest)
#define FLAG .parse = opt_parse_flag
#define SIGNAL .argument = "SIG", .parse = opt_parse_signal
#define TEXT(what) .argument = (what), .parse = opt_parse_string
#define AT(member) .offset = offsetof(struct conf, member)

const struct opt service_options[] = {
	{"ready", "LIST", AT(ready), .parse = opt_parse_words,
	 .shown = "healthy; exec where no probe is required",
	 .words = WORDS({"healthy", READY_ON_HEALTHY}, {"exec", READY_ON_EXEC},
			{"notify", READY_ON_NOTIFY}),
	 .help = "what must hold before READY=1: healthy, exec, notify; all of the list"},
	{"require", "all|any|N", AT(require), .parse = value_parse_require, .fallback = "all",
	 .help = "how many of the probes that are not optional must be good"},
	{"on-unhealthy", "withhold|trigger|kill|warn", AT(on_unhealthy), .parse = opt_parse_word,
	 .shown = "withhold; without a watchdog warn; without NOTIFY_SOCKET kill",
	 .words = WORDS({"withhold", ON_UNHEALTHY_WITHHOLD}, {"trigger", ON_UNHEALTHY_TRIGGER},
			{"kill", ON_UNHEALTHY_KILL}, {"warn", ON_UNHEALTHY_WARN}),
	 .help = "send no pings, ask systemd to act at once, end the child, or only say so"},
	{"watchdog-sec", AT(watchdog_usec), DURATION(SHORTEST_INTERVAL, LONGEST), .shown = "30s",
	 .help = "the watchdog time W where systemd sets none"},
	{"unhealthy-hook", "COMMAND", AT(unhealthy_hook), .parse = value_parse_command,
	 .help = "run when health is lost and when it comes back"},
	{"hook-timeout", AT(hook_timeout_usec), DURATION(SHORTEST, LONGEST), .fallback = "5s",
	 .help = "the hook is killed after this time"},
	{"dump-signal", AT(dump_signal), SIGNAL,
	 .help = "sent to the child first when it becomes unhealthy (SIGQUIT for a JVM or Go)"},
	{"dump-wait", AT(dump_wait_usec), DURATION(SHORTEST, LONGEST), .fallback = "2s",
	 .help = "time between the dump signal and what --on-unhealthy does"},
	{"kill-signal", AT(kill_signal), SIGNAL, .fallback = "SIGTERM",
	 .help = "for a stop that sdwd itself decides"},
	{"kill-timeout", AT(kill_timeout_usec), DURATION(SHORTEST, LONGEST), .fallback = "10s",
	 .help = "time between the kill signal and SIGKILL to everything"},
	{"stop-signal", "LIST", AT(stop_signals), .parse = value_parse_stop_signals,
	 .shown = "SIGTERM,SIGABRT and the unit's KillSignal where known",
	 .help = "signals that begin a stop"},
	{"orphans", "term|wait|leave", AT(orphans), .parse = opt_parse_word, .fallback = "term",
	 .words = WORDS({"term", ORPHANS_TERM}, {"wait", ORPHANS_WAIT}, {"leave", ORPHANS_LEAVE}),
	 .help = "what becomes of processes that the child leaves behind when it ends"},
	{"orphan-timeout", AT(orphan_timeout_usec), DURATION(SHORTEST, LONGEST), .fallback = "5s",
	 .help = "how long they may take to end"},
	{"start-timeout", AT(start_timeout_usec), DURATION(SHORTEST, 0), .fallback = "infinity",
	 .shown = "none", .help = "not ready by then: the child is ended, exit status 124"},
	{"extend-start", AT(extend_start_usec), DURATION(0, 0), .fallback = "0", .shown = "off",
	 .help = "during start, extend systemd's start timeout up to this"},
	{"pidfile-timeout", AT(pidfile_timeout_usec), DURATION(SHORTEST, LONGEST),
	 .fallback = "30s", .help = "no acceptable pidfile by then: exit status 125"},
	{"signal-map", "A:B,...", AT(signal_map), .parse = value_parse_signal_map,
	 .flags = OPT_REPEAT, .help = "pass signal B on for signal A; 0 for B drops it"},
	{"signal-group", AT(signal_group), FLAG,
	 .help = "pass signals on to the child's process group, not to the child alone"},
	{"setsid", AT(setsid), FLAG, .help = "start the child in a session of its own"},
	{"pdeathsig", AT(pdeathsig), SIGNAL, .help = "the signal that the child gets if sdwd dies"},
	{"forward-stop", "auto|always|never", AT(forward_stop), .parse = opt_parse_word,
	 .fallback = "auto",
	 .words = WORDS({"auto", FORWARD_STOP_AUTO}, {"always", FORWARD_STOP_ALWAYS},
			{"never", FORWARD_STOP_NEVER}),
	 .help = "pass on stop signals that systemd sends; auto: not those it sends to the child "
		 "too"},
	{"argv0", AT(argv0), TEXT("NAME"), .shown = "the command",
	 .help = "the name by which the child is called"},
	{"exit-status", "mirror|shell", AT(exit_mode), .parse = opt_parse_word,
	 .fallback = "mirror", .words = WORDS({"mirror", EXIT_MIRROR}, {"shell", EXIT_SHELL}),
	 .help = "end as the child did, by the same signal; or with 128+n as a shell does"},
	{"exit-map", "A:B,...", AT(exit_map), .parse = value_parse_exit_map, .flags = OPT_REPEAT,
	 .help = "end with exit code B where the child ended with A"},
	{"reload", "relay|signal", AT(reload), .parse = opt_parse_word, .fallback = "relay",
	 .words = WORDS({"relay", RELOAD_RELAY}, {"signal", RELOAD_SIGNAL}),
	 .help = "who tells systemd of a reload: the child itself, or sdwd when the signal comes"},
	{"reload-signal", "SIG", AT(reload_signal), .parse = value_parse_caught_signal,
	 .fallback = "SIGHUP", .help = "the signal that asks for a reload, for --reload=signal"},
	{"notify-access", "main|all|none", AT(notify_access), .parse = opt_parse_word,
	 .fallback = "main",
	 .words = WORDS({"main", NOTIFY_ACCESS_MAIN}, {"all", NOTIFY_ACCESS_ALL},
			{"none", NOTIFY_ACCESS_NONE}),
	 .help = "whose sd_notify messages are taken; none: the child gets no NOTIFY_SOCKET"},
	{"label", "NAME", AT(label), .parse = value_parse_label,
	 .shown = "unit name, else the command's base name", .help = "names this instance"},
	{"mlock", AT(mlock), FLAG, .help = "keep sdwd itself in memory"},
	{"rtprio", AT(rtprio), NUMBER(1, 99), .shown = "off",
	 .help = "real-time priority of sdwd itself"},
	{"nice", AT(nice), NUMBER(-20, 19), .shown = "off", .help = "nice value of sdwd itself"},
	{"oom-score-adjust", AT(oom_score_adjust), NUMBER(-1000, 1000), .shown = "off",
	 .help = "OOM score adjustment of sdwd itself"},
	{"log-level", "err|warning|notice|info|debug", AT(log_level), .parse = opt_parse_word,
	 .fallback = "info",
	 .words = WORDS({"err", LOG_LEVEL_ERR}, {"warning", LOG_LEVEL_WARNING},
			{"notice", LOG_LEVEL_NOTICE}, {"info", LOG_LEVEL_INFO},
			{"debug", LOG_LEVEL_DEBUG}),
	 .help = "lines of this level and more important ones are logged"},
	{"log-target", "auto|journal|stderr", AT(log_target), .parse = opt_parse_word,
	 .fallback = "auto",
	 .words = WORDS({"auto", LOG_TARGET_AUTO}, {"journal", LOG_TARGET_JOURNAL},
			{"stderr", LOG_TARGET_STDERR}),
	 .help = "where lines go; auto: the journal where stderr is the journal, else text"},
	{"config", "FILE", AT(config), .parse = value_parse_once, .flags = OPT_ARGV_ONLY,
	 .help = "read options and command from a file first; those given here come on top"},
	{"check", AT(do_check), FLAG, .flags = OPT_ARGV_ONLY,
	 .help = "validate, show the effective settings and what a hang leads to, and exit"},
	{"dump-options", AT(do_dump_options), FLAG, .flags = OPT_ARGV_ONLY,
	 .help = "list all options, one line each, separated by tabs, and exit"},
	{"help", AT(do_help), FLAG, .flags = OPT_ARGV_ONLY, .help = "show this text and exit"},
	{"version", AT(do_version), FLAG, .flags = OPT_ARGV_ONLY,
	 .help = "show the version and exit"},
	{NULL},
};

#undef AT
#define AT(member) .offset = offsetof(struct probe_conf, member)
#define COUNT(highest) \
	.argument = "N", .parse = opt_parse_unsigned, .minimum = 1, .maximum = (highest)

const struct opt probe_options[] = {
	{"name", "NAME", AT(name), .parse = value_parse_name, .flags = OPT_OWN_ONLY,
	 .modes = PUSH | PULL | STATE, .shown = "the kind's name: http, http-2, ...",
	 .help = "names the probe in STATUS, journal and metrics"},
	{"interval", AT(interval_usec), DURATION(SHORTEST_INTERVAL, LONGEST), .modes = PULL,
	 .shown = "W/5 within 200ms..10s",
	 .help = "from the start of one look to the start of the next"},
	{"timeout", AT(timeout_usec), DURATION(SHORTEST, LONGEST), .modes = PULL,
	 .shown = "0.8 of the interval, at most 5s", .help = "deadline for one whole look"},
	{"silence", AT(silence_usec), DURATION(SHORTEST_INTERVAL, LONGEST), .modes = PUSH,
	 .shown = "0.8 W", .help = "longest time without a beat, ping or change"},
	{"fall", AT(fall), COUNT(1000), .modes = PULL, .fallback = "3",
	 .help = "failures in a row that make it unhealthy"},
	{"rise", AT(rise), COUNT(1000), .modes = PULL, .fallback = "1",
	 .help = "passes in a row that make it healthy again"},
	{"fall-window", "X/Y", AT(window_failures), .parse = value_parse_window, .maximum = 64,
	 .modes = PULL, .shown = "off", .help = "also unhealthy when X of the last Y looks failed"},
	{"fast-interval", AT(fast_interval_usec), DURATION(SHORTEST_INTERVAL, LONGEST),
	 .modes = PULL, .shown = "half the interval",
	 .help = "interval while looks fail below fall, and while they pass below rise"},
	{"start-interval", AT(start_interval_usec), DURATION(SHORTEST_INTERVAL, LONGEST),
	 .modes = PULL, .shown = "the interval, at most 500ms (exec and prober: 1s)",
	 .help = "interval until the first pass"},
	{"start-period", AT(start_period_usec), DURATION(0, 0), .modes = PUSH | PULL,
	 .fallback = "infinity", .shown = "until the first pass",
	 .help = "while it lasts failures do not count; the first pass ends it"},
	{"optional", AT(is_optional), FLAG, .flags = OPT_OWN_ONLY, .modes = PUSH | PULL,
	 .help = "shown and measured, but never changes health"},
	{NULL},
};
