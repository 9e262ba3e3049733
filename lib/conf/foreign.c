/* SPDX-License-Identifier: MIT */
#include "conf/foreign.h"

#include <string.h>

/*
 * Names from Kubernetes probes, docker run --health-*, HAProxy servers, monit, tini, dumb-init,
 * timeout(1), curl(1), grpc_health_probe and systemd units, as their manuals have them.
 */
const struct foreign_name foreign_names[] = {
	/* thresholds and times */
	{"retries", "use --fall"},
	{"retry", "use --fall"},
	{"threshold", "use --fall"},
	{"failures", "use --fall"},
	{"max-failures", "use --fall"},
	{"max-retries", "use --fall"},
	{"failure-threshold", "use --fall"},
	{"unhealthy-threshold", "use --fall"},
	{"health-retries", "use --fall"},
	{"cycles", "use --fall"},
	{"success-threshold", "use --rise"},
	{"healthy-threshold", "use --rise"},
	{"period", "use --interval"},
	{"period-seconds", "use --interval"},
	{"health-interval", "use --interval"},
	{"inter", "use --interval"},
	{"every", "use --interval"},
	{"fastinter", "use --fast-interval"},
	{"downinter", "use --fast-interval"},
	{"health-start-interval", "use --start-interval"},
	{"initial-delay", "use --start-period"},
	{"initial-delay-seconds", "use --start-period"},
	{"health-start-period", "use --start-period"},
	{"start-delay", "use --start-period"},
	{"delay", "use --start-period"},
	{"grace", "use --start-period for the start, --kill-timeout for the end"},
	{"grace-period", "use --start-period for the start, --kill-timeout for the end"},
	{"grace-period-seconds", "use --kill-timeout"},
	{"termination-grace-period", "use --kill-timeout"},
	{"termination-grace-period-seconds", "use --kill-timeout"},
	{"stop-timeout", "use --kill-timeout"},
	{"kill-after", "use --kill-timeout"},
	{"timeout-seconds", "use --timeout"},
	{"health-timeout", "use --timeout"},
	{"connect-timeout", "use --timeout, which covers the whole look"},
	{"max-time", "use --timeout"},
	{"ttl", "use --silence"},
	{"heartbeat-interval", "use --silence"},
	{"heartbeat-timeout", "use --silence"},
	{"max-age", "use --file with --silence"},
	/* what is looked at */
	{"url", "use --http"},
	{"uri", "use --http"},
	{"http-get", "use --http"},
	{"httpchk", "use --http"},
	{"port", "use --tcp, or --http where it speaks that"},
	{"host", "use --tcp, or --http where it speaks that"},
	{"connect", "use --tcp or --unix"},
	{"tcp-socket", "use --tcp"},
	{"tcp-check", "use --tcp with --send and --expect"},
	{"socket", "use --unix, or --http with --http-unix"},
	{"unixsocket", "use --unix, or --http with --http-unix"},
	{"cmd", "use --exec for a check; the program to run comes after all options, or as "
		"'command' in a file"},
	{"command", "use --exec for a check; the program to run comes after all options, or as "
		    "'command' in a file"},
	{"health-cmd", "use --exec, or --http without a program"},
	{"healthcheck", "use --exec, or --http without a program"},
	{"script", "use --exec"},
	{"external-check", "use --exec"},
	{"backlog", "use --listen-queue"},
	{"listen", "use --listen-queue"},
	{"listenq", "use --listen-queue"},
	{"accept-queue", "use --listen-queue"},
	{"pid-file", "use --pidfile"},
	{"liveness-probe", "use --http or --tcp; one probe serves start and run"},
	{"readiness-probe", "use --http or --tcp; one probe serves start and run"},
	{"heartbeat-file", "use --file"},
	{"watch-file", "use --file"},
	{"mtime", "use --file"},
	{"startup-probe", "use --http with --start-period"},
	{"method", "use --http-method"},
	{"header", "use --http-header"},
	{"status", "use --http-status"},
	{"expected-status", "use --http-status"},
	{"body", "use --http-body"},
	{"https", "use --http with an https URL"},
	{"cacert", "use --http-ca"},
	{"ca-file", "use --http-ca"},
	{"ca-certificate", "use --http-ca"},
	{"cert", "use --http-cert"},
	{"key", "use --http-key"},
	{"insecure", "use --http-insecure"},
	{"no-check-certificate", "use --http-insecure"},
	{"tls-skip-verify", "use --http-insecure"},
	{"bus-name", "use --dbus"},
	{"dbus-name", "use --dbus"},
	{"dbus-session", "use --dbus-user"},
	{"grpc-service", "write it behind the port: --grpc=HOST:PORT/SERVICE"},
	{"grpc-use-tls", "use --grpc-tls"},
	{"tls", "use --grpc-tls, or --http with an https URL"},
	{"tls-ca-cert", "use --grpc-ca"},
	{"tls-client-cert", "use --grpc-cert"},
	{"tls-client-key", "use --grpc-key"},
	{"tls-no-verify", "use --grpc-insecure"},
	{"resolve", "use --http-connect"},
	{"connect-to", "use --http-connect"},
	/* where it is said */
	{"conf", "use --config"},
	{"config-file", "use --config"},
	{"configuration", "use --config"},
	/* what follows */
	{"on-failure", "use --on-unhealthy"},
	{"health-on-failure", "use --on-unhealthy"},
	{"action", "use --on-unhealthy"},
	{"watchdog", "use --watchdog-sec, or WatchdogSec= in the unit"},
	{"watchdog-timeout", "use --watchdog-sec, or WatchdogSec= in the unit"},
	{"timeout-start-sec", "use --start-timeout, or TimeoutStartSec= in the unit"},
	{"signal", "use --kill-signal"},
	{"rewrite", "use --signal-map"},
	{"single-child", "signals go to the child alone unless --signal-group is given"},
	{"preserve-status", "the child's exit status is always handed on"},
	{"verbose", "use --log-level=debug"},
	{"debug", "use --log-level=debug"},
	{"quiet", "use --log-level=err"},
	{"hook", "use --unhealthy-hook"},
	/* what systemd does */
	{"restart", "systemd does it: Restart= in the unit"},
	{"restart-sec", "systemd does it: RestartSec= in the unit"},
	{"restart-delay", "systemd does it: RestartSec= in the unit"},
	{"max-restarts", "systemd does it: StartLimitBurst= in the unit"},
	{"user", "systemd does it: User= in the unit"},
	{"uid", "systemd does it: User= in the unit"},
	{"group", "systemd does it: Group= in the unit"},
	{"gid", "systemd does it: Group= in the unit"},
	{"env", "systemd does it: Environment= in the unit"},
	{"env-file", "systemd does it: EnvironmentFile= in the unit"},
	{"workdir", "systemd does it: WorkingDirectory= in the unit"},
	{"working-directory", "systemd does it: WorkingDirectory= in the unit"},
	{"chdir", "systemd does it: WorkingDirectory= in the unit"},
	{"umask", "systemd does it: UMask= in the unit"},
	{"memory", "systemd does it: MemoryMax= in the unit"},
	{"background", "sdwd stays in the foreground, and systemd starts it as a service"},
	{"daemon", "sdwd stays in the foreground, and systemd starts it as a service"},
	{"daemonize", "sdwd stays in the foreground, and systemd starts it as a service"},
	/* short options of tini, dumb-init and timeout(1) */
	{"g", "use --signal-group"},
	{"s", "sdwd is always a subreaper; for a signal use --kill-signal"},
	{"p", "use --pdeathsig"},
	{"e", "use --exit-map"},
	{"r", "use --signal-map"},
	{"c", "signals go to the child alone unless --signal-group is given"},
	{"k", "use --kill-timeout"},
	{"f", "use --config"},
	{"v", "use --log-level=debug"},
	{"q", "use --log-level=err"},
	{NULL, NULL},
};

const struct foreign_name *foreign_find(const char *name) {
	for (const struct foreign_name *f = foreign_names; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* Longer names are compared with nothing. */
#define COMPARED_MAX 40

/* How many letters must change, come or go between @a and @b (Levenshtein). */
static unsigned distance(const char *a, const char *b) {
	size_t n = strlen(b);
	unsigned row[COMPARED_MAX + 1];

	if (strlen(a) > COMPARED_MAX || n > COMPARED_MAX)
		return COMPARED_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned above = row[j + 1], one_more = MIN(above, row[j]) + 1;
			unsigned change = diagonal + (a[i] != b[j]);

			row[j + 1] = MIN(one_more, change);
			diagonal = above;
		}
	}
	return row[n];
}

struct nearest {
	const char *typed;
	const char *name;
	unsigned distance;
};

static void compare(struct nearest *n, const char *name) {
	unsigned d = distance(n->typed, name);

	if (d < n->distance) {
		n->distance = d;
		n->name = name;
	}
}

static void compare_table(struct nearest *n, const struct opt *table) {
	for (const struct opt *o = table; o && o->name; o++)
		compare(n, o->name);
}

void foreign_refuse(const char *name, const struct origin *origin,
		    const struct probe_kind *const *kinds, struct text *error) {
	/* Two letters wrong at most, and fewer than half of them. */
	struct nearest n = {.typed = name, .distance = 3};
	const struct foreign_name *f = strlen(name) > 1 ? foreign_find(name) : NULL;
	bool is_file = origin->kind == ORIGIN_FILE;
	const char *dashes = is_file ? "" : "--";
	char clean[OPT_QUOTED_MAX];

	if (f) {
		conf_add_place(error, origin, name);
		text_addf(error, "not an option here; %s", f->advice);
		return;
	}
	compare_table(&n, service_options);
	compare_table(&n, probe_options);
	for (const struct probe_kind *const *kind = kinds; *kind; kind++) {
		compare(&n, (*kind)->name);
		compare_table(&n, (*kind)->options);
	}
	if (is_file)
		compare(&n, "command");
	text_clean(clean, sizeof(clean), name, strlen(name));
	if (is_file)
		text_addf(error, "%s:%u: ", origin->file, origin->line);
	text_addf(error, "unknown option '%s%s'", dashes, clean);
	if (n.name && n.distance * 2 < strlen(name))
		text_addf(error, "; did you mean '%s%s'?", dashes, n.name);
}
