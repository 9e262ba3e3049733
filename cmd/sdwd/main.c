/* SPDX-License-Identifier: MIT */
/* argv -> conf -> supervisor -> exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/supervisor.h"
#include "app/timeline.h"
#include "conf/args.h"
#include "conf/dump.h"
#include "conf/show.h"
#include "sys/notifier.h"
#include "sys/self.h"
#include "sys/unit_name.h"

/* All that a wrong command line or file can say at once, told before the next one begins. Not kept
 * on the stack: there each of its pages would be touched (-fstack-clash-protection), and be ours
 * for good. */
static char error_bytes[65536];

static void print_line(void *context, const char *line) {
	puts(line);
}

/* One "sdwd: " line on stderr for each line of @errors. */
static int complain(const char *errors) {
	while (*errors != '\0') {
		size_t length = strcspn(errors, "\n");

		fprintf(stderr, "sdwd: %.*s\n", (int)length, errors);
		errors += length + (errors[length] == '\n');
	}
	return EXIT_SDWD;
}

static int complain_all(const struct text *errors) {
	complain(errors->data);
	return errors->is_cut ? complain("... and more errors than are shown here") : EXIT_SDWD;
}

/* What was printed must have arrived: a full disk is an error. */
static int printed(void) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return complain("cannot write to the standard output");
}

/*
 * True where a unit started us. From a shell sd_pid_get_unit(3) names the session's scope, or the
 * service that the shell is in: that is not ours.
 */
static bool is_from_manager(void) {
	const char *exec_pid = getenv("SYSTEMD_EXEC_PID"), *socket = getenv("NOTIFY_SOCKET");

	return (socket && *socket) || (exec_pid && strtol(exec_pid, NULL, 10) == getpid());
}

static int run(struct conf *c, struct signals *signals, struct inherit *inherit, int *ret_status) {
	struct text t = TEXT_OVER(error_bytes);
	const char *socket = getenv("NOTIFY_SOCKET");
	char *unit = is_from_manager() ? unit_name_own() : NULL;
	struct supervisor_setup setup = {
		.conf = c,
		.signals = signals,
		.inherit = inherit,
		.is_from_manager = is_from_manager(),
		.env = {.has_notify_socket = socket && *socket,
			.watchdog_usec = notifier_watchdog_usec(),
			.unit = unit},
	};
	int r = conf_resolve(c, &setup.env, &setup.watchdog_usec, &t);

	if (r == 0)
		r = supervisor_check(&setup, &t);
	if (r < 0) {
		r = complain_all(&t);
	} else if (c->do_check) {
		show_values(c, &setup.env, setup.watchdog_usec, print_line, NULL);
		puts("");
		timeline_show(c, &setup.env, setup.watchdog_usec, print_line, NULL);
		r = printed();
	} else {
		*ret_status = supervisor_run(&setup).wait_status;
		r = 0;
	}
	free(unit);
	return r;
}

/* Reads the file that --config names, if it does, into @c. Its errors are told, and make @c faulty.
 */
static void read_config(int argc, char **argv, struct conf *c,
			const struct probe_kind *const *kinds) {
	struct text t = TEXT_OVER(error_bytes);
	const char *path = NULL;

	if (args_find_config(argc, argv, kinds, &path) < 0) {
		text_add(&t, "out of memory");
		c->is_faulty = true;
	} else if (path) {
		(void)config_read(c, path, kinds, &t);
	}
	complain_all(&t);
}

/* Returns an exit code; *@ret_status is set where the command ran: how it ended, as of waitpid(2).
 */
static int with_conf(int argc, char **argv, struct conf *c, struct signals *signals,
		     struct inherit *inherit, int *ret_status) {
	struct config_kinds kinds;
	struct text t;

	config_kinds(&kinds);
	read_config(argc, argv, c, kinds.list);
	t = TEXT_OVER(error_bytes);
	if (args_parse(c, argc, argv, kinds.list, &t) < 0)
		return complain(error_bytes);
	if (c->do_help) {
		dump_help(kinds.list, print_line, NULL);
		return printed();
	}
	if (c->do_version) {
		puts("sdwd " SDWD_VERSION);
		return printed();
	}
	if (c->do_dump_options) {
		dump_options(kinds.list, print_line, NULL);
		return printed();
	}
	return run(c, signals, inherit, ret_status);
}

int main(int argc, char **argv) {
	struct signals signals;
	struct inherit inherit;
	struct conf c;
	int status = -1, r;

	/* Before all else: no signal may be lost, and no fd of ours may take a number of the
	 * child's. */
	r = signals_block(&signals);
	if (r < 0) {
		fprintf(stderr, "sdwd: cannot block signals: %s\n", strerror(-r));
		return EXIT_SDWD;
	}
	r = inherit_init(&inherit);
	if (r < 0) {
		fprintf(stderr, "sdwd: cannot open /dev/null in place of a closed file: %s\n",
			strerror(-r));
		return EXIT_SDWD;
	}
	conf_init(&c);
	r = with_conf(argc, argv, &c, &signals, &inherit, &status);
	conf_done(&c);
	if (status < 0)
		return r;
	self_die_like(status);
}
