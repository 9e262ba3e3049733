/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/log.h"
#include "base/optab.h"

/*
 * What the operator asked for: plain data. struct conf owns its strings; it is filled by args and
 * file, completed by conf_resolve(), and frozen from then on.
 */

enum probe_mode {
	PROBE_PUSH,  /* the child says that it lives */
	PROBE_PULL,  /* we ask */
	PROBE_STATE, /* we look at a state: gates, moves supervision */
};

/* What the option table says of one kind of probe. Static; it stands in the probe's own file. */
struct probe_kind {
	const char *name;     /* the option without dashes; also the default of --name */
	const char *argument; /* "URL"; NULL: none */
	bool argument_is_optional;
	const char *help;
	enum probe_mode mode;
	const struct opt *options; /* its own options, into the settings; may be NULL */
	size_t settings_size;      /* may be 0 */

	/*
	 * Checks and digests the option's value and own settings once all options are known (URL
	 * parsed, regex compiled). On error writes the reason without the option's name. Returns 0
	 * or a negative errno.
	 */
	int (*check)(const char *target, void *settings, struct text *error);
	void (*settings_done)(void *settings); /* frees what parse and check made; works on zeroed
						  ones; may be NULL */

	/* What a user may overlook in such settings, told at start and by --check: one constant
	 * line, or NULL. May be NULL. */
	const char *(*note)(const void *settings);

	/* Of checked settings: what needs the prober ("https"), or NULL where sdwd itself can look.
	 * May be NULL: sdwd always can. */
	const char *(*needs_prober)(const void *settings);

	/* Names of generic options that this kind knows beyond those of its mode, and of those of
	 * its mode that it does not know; each NULL at the end, or NULL. */
	const char *const *knows;
	const char *const *knows_not;
	usec_t start_interval_usec; /* the most that --start-interval is by default; 0: 500 ms, and
				       1 s through the prober */
};

/* Where a value came from, for --check and for errors. */
enum origin_kind { ORIGIN_BUILTIN, ORIGIN_FILE, ORIGIN_ARGV };

struct origin {
	enum origin_kind kind;
	unsigned line;    /* ORIGIN_FILE */
	const char *file; /* ORIGIN_FILE; borrowed, lives as long as the struct conf */
};

/* One option as the user gave it. */
struct conf_given {
	const char *name;         /* the table's own, static */
	const struct opt *option; /* NULL: the option that makes a probe */
	char *value;              /* owned; NULL: none */
	struct origin origin;
	bool is_default; /* a probe option that stood before the first probe */
	bool is_used;    /* of such a default: a probe knew it */
};

/* In the order in which they came; of an option that does not repeat only the last use. */
struct conf_givens {
	struct conf_given *items; /* owned */
	size_t n_items;
};

/* One probe. Durations that were not given are 0 until conf_resolve(). */
struct probe_conf {
	const struct probe_kind *kind;
	char *target; /* the option's value, or NULL */
	char *name;   /* unique within the instance after conf_resolve() */
	usec_t interval_usec;
	usec_t timeout_usec;
	usec_t silence_usec;
	unsigned fall;
	unsigned rise;
	unsigned window_failures; /* --fall-window=X/Y; 0/0: off */
	unsigned window_looks;
	usec_t fast_interval_usec;
	usec_t start_interval_usec;
	usec_t start_period_usec; /* USEC_INFINITY: until the first pass */
	bool is_optional;
	void *settings;       /* kind->settings_size bytes, owned */
	struct origin origin; /* of the probe itself */
	struct conf_givens given;
};

enum ready_on { READY_ON_HEALTHY, READY_ON_EXEC, READY_ON_NOTIFY };
enum on_unhealthy {
	ON_UNHEALTHY_WITHHOLD,
	ON_UNHEALTHY_TRIGGER,
	ON_UNHEALTHY_KILL,
	ON_UNHEALTHY_WARN
};
enum orphans { ORPHANS_TERM, ORPHANS_WAIT, ORPHANS_LEAVE };
enum exit_mode { EXIT_MIRROR, EXIT_SHELL };
enum forward_stop { FORWARD_STOP_AUTO, FORWARD_STOP_ALWAYS, FORWARD_STOP_NEVER };
enum reload_mode { RELOAD_RELAY, RELOAD_SIGNAL };
enum notify_access { NOTIFY_ACCESS_MAIN, NOTIFY_ACCESS_ALL, NOTIFY_ACCESS_NONE };
enum log_target { LOG_TARGET_AUTO, LOG_TARGET_JOURNAL, LOG_TARGET_STDERR };

#define SIGNAL_MAX 64
/* A row of signal_map that was not set. */
#define SIGNAL_SAME (-1)

struct conf {
	/* service options, 2.3 of the man page, in its order */
	unsigned ready;       /* bits 1 << READY_ON_x; 0: not given */
	int require;          /* how many; 0: all; (any is 1) */
	int on_unhealthy;     /* enum on_unhealthy; -1: not given */
	usec_t watchdog_usec; /* 0: not given */
	char *unhealthy_hook;
	usec_t hook_timeout_usec;
	int dump_signal; /* 0: none */
	usec_t dump_wait_usec;
	int kill_signal;
	usec_t kill_timeout_usec;
	uint64_t stop_signals; /* see conf_has_signal(); 0: not given */
	int orphans;
	usec_t orphan_timeout_usec;
	usec_t start_timeout_usec; /* USEC_INFINITY: none */
	usec_t extend_start_usec;  /* 0: off */
	usec_t pidfile_timeout_usec;
	int signal_map[SIGNAL_MAX + 1]; /* SIGNAL_SAME, 0: dropped, or the signal to send instead */
	bool signal_group;
	bool setsid;
	int forward_stop; /* enum forward_stop */
	int pdeathsig;    /* 0: none */
	char *argv0;
	int exit_mode;
	int exit_map[256]; /* -1: the same */
	int reload;        /* enum reload_mode */
	int reload_signal; /* what asks for one */
	int notify_access;
	char *label;
	bool mlock;
	int rtprio;           /* 0: off */
	int nice;             /* INT_MAX: off */
	int oom_score_adjust; /* INT_MAX: off */
	int log_level;
	int log_target;
	char *config; /* where the file is; read by main before argv is; NULL: none */

	/* what to do instead of running */
	bool do_check;
	bool do_dump_options;
	bool do_help;
	bool do_version;

	/* an error was told: only good for finding more */
	bool is_faulty;
	/* a line that was refused may have been a probe: to which one the options behind it belong
	 * cannot be told before the next probe */
	bool is_lost;

	char **command; /* NULL-terminated, owned; NULL: none */
	struct origin command_origin;

	struct probe_conf **probes; /* owned */
	size_t n_probes;

	struct conf_givens given;    /* service options */
	struct conf_givens defaults; /* probe options before the first probe of their source */
	struct probe_conf *current;  /* the probe that the next probe option belongs to; NULL: none
					yet in this source */
	char *file;                  /* the file's name as it is shown, for origins; owned */
};

/* The tables, name NULL at the end (options.c). */
extern const struct opt service_options[]; /* of struct conf */
extern const struct opt probe_options[];   /* of struct probe_conf: what several kinds know */

/* Defaults everywhere (each row's fallback through its parser). */
void conf_init(struct conf *c);

/* Frees what @c owns; works on zeroed and already done ones. */
void conf_done(struct conf *c);

/*
 * Says that what follows comes from another source (the file, then argv): its probe options are
 * defaults again until its own first probe. A default of a later source also reaches the probes
 * that are there already, where they were not given a value of their own.
 */
void conf_begin_source(struct conf *c);

/* What an option wants behind its name. */
enum conf_argument { CONF_UNKNOWN, CONF_FLAG, CONF_OPTIONAL, CONF_REQUIRED };

/* What the option @name (without dashes) wants; CONF_UNKNOWN: no table and no kind has it. */
enum conf_argument conf_argument(const char *name, const struct probe_kind *const *kinds);

/*
 * Sets one option: @name without dashes, @value as it stands (NULL: none was given). argv and the
 * file both end here; @kinds (NULL at the end, static) says which probes there are. On error one
 * line with option and value is added to @error, with "file:line: " in front where @origin is a
 * file. Returns 0, -EINVAL, or -ENOMEM.
 */
int conf_set(struct conf *c, const char *name, const char *value, const struct origin *origin,
	     const struct probe_kind *const *kinds, struct text *error);

/* Copies the command (NULL-terminated), in place of one that is there. Returns 0 or -ENOMEM. */
int conf_set_command(struct conf *c, char *const *command, const struct origin *origin);

/* The option of that name that a probe of @kind knows, generic or its own, or NULL. */
const struct opt *conf_probe_option(const struct probe_kind *kind, const char *name);

/* Why @p needs the prober, or NULL; after its check. */
const char *conf_needs_prober(const struct probe_conf *p);

/* How the option @name was last given, or NULL where it was not. */
const struct conf_given *conf_find_given(const struct conf_givens *given, const char *name);

/* The name before an error's colon: "--fall", or "file:line: fall". */
void conf_add_place(struct text *error, const struct origin *origin, const char *name);

/* Sets of signals (conf.stop_signals) by number, 1 to SIGNAL_MAX. Signal 64 is bit 0, which no
 * signal needs. */
static inline uint64_t conf_signal_bit(int number) {
	return UINT64_C(1) << (unsigned)number % 64;
}

/* True where @number is in @signals. */
static inline bool conf_has_signal(uint64_t signals, int number) {
	return (signals & conf_signal_bit(number)) != 0;
}

/* Takes one line of --help, --dump-options or --check, without its end; @line is borrowed. */
typedef void conf_line_t(void *context, const char *line);

/* What the surroundings say, read once before conf_resolve() by those who may look. */
struct conf_env {
	bool has_notify_socket;
	usec_t watchdog_usec; /* of systemd; 0: none */
	const char *unit;     /* name of our unit, or NULL */
};

/*
 * Completes what was not given (names, durations from W, on_unhealthy, ready, label) and checks
 * what only the whole can tell. Called once, after all options. @ret_w gets W. Every error is a
 * line of its own in @errors, without "sdwd: " in front; '\n' stands between them, not behind the
 * last. Where @c is faulty already it is an error in any case, and what may only follow from the
 * earlier one (no command, a default that no probe knows) is not told. Returns 0, -EINVAL, or
 * -ENOMEM.
 */
int conf_resolve(struct conf *c, const struct conf_env *env, usec_t *ret_w, struct text *errors);
