/* SPDX-License-Identifier: MIT */
/* sdwdctl wrap: puts a service under sdwd, by a drop-in. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drop_in.h"
#include "programs.h"
#include "root.h"
#include "unit_verbs.h"

#define ERRORS_MAX 65536

struct wrap_settings {
	bool dry_run;
	bool now;
	char *root;
	usec_t watchdog_usec;
};

#define FIELD(name) .offset = offsetof(struct wrap_settings, name)

static const struct opt wrap_options[] = {
	{.name = "dry-run",
	 .help = "print the drop-in, and write nothing",
	 .parse = opt_parse_flag,
	 FIELD(dry_run)},
	{.name = "now",
	 .help = "let systemd read it, and restart the service if it runs",
	 .parse = opt_parse_flag,
	 FIELD(now)},
	{.name = "root",
	 .argument = "DIR",
	 .help = "look for the unit in this folder (an image), not in the running system",
	 .parse = opt_parse_string,
	 FIELD(root)},
	{.name = "watchdog-sec",
	 .argument = "DURATION",
	 .shown = "the unit's own, else 30s",
	 .help = "the unit's WatchdogSec=",
	 .parse = opt_parse_duration,
	 .minimum = 1,
	 FIELD(watchdog_usec)},
	{NULL},
};

static int run(int argc, char **argv);

const struct verb verb_wrap = {
	.name = "wrap",
	.words = "UNIT",
	.help = "Puts a service under sdwd, by a drop-in",
	.options = wrap_options,
	.takes_probes = true,
	.run = run,
};

/* Writes @text where it belongs. Returns an exit status. */
static int write_drop_in(const char *unit, const char *path, const char *text,
			 const struct wrap_settings *s, const char *root) {
	char name[UNIT_SHELL_MAX];
	int r = root_write(root, path, text);

	if (r == -EACCES || r == -EPERM || r == -EROFS) {
		usage_error(&verb_wrap, "cannot write %s%s: %s%s", root, path, strerror(-r),
			    geteuid() != 0 ? "; only root may" : "");
		return CTL_CANNOT;
	}
	if (r < 0) {
		usage_error(&verb_wrap, "cannot write %s%s: %s", root, path, strerror(-r));
		return CTL_CANNOT;
	}
	printf("Made %s%s\n", root, path);
	if (!s->now) {
		tell_commands(unit, root);
		return CTL_WELL;
	}
	running_for_shell(name, unit);
	if (would_restart(unit))
		printf("Restarting %s, which takes until it is well; meanwhile systemctl status %s "
		       "says what is missing\n",
		       name, name);
	else
		printf("%s does not run: nothing is restarted, and its next start is under sdwd\n",
		       name);
	(void)fflush(stdout);
	if (apply_now(&verb_wrap, unit) == 0)
		return CTL_WELL;
	usage_error(&verb_wrap, "sdwdctl unwrap --now %s takes it back",
		    unit_for_shell(name, unit));
	return CTL_UNWELL;
}

/* Makes the text, and writes or prints it. Returns an exit status. */
static int wrap(const struct unit *u, const struct wrap_settings *s, const struct words *options,
		const char *root, char *text) {
	char errors[ERRORS_MAX], notes[8192], sdwd[PATH_MAX], prober[PATH_MAX], path[PATH_MAX];
	char folder[PATH_MAX], name[UNIT_SHELL_MAX];
	struct text e = TEXT_OVER(errors), n = TEXT_OVER(notes);
	struct text t = {.data = text, .size = DROP_IN_SIZE_MAX};
	struct drop_in_wish wish = {.options = options,
				    .watchdog_usec = s->watchdog_usec,
				    .sdwd = sdwd,
				    .prober = prober,
				    .root = root};
	int r;

	if (programs_find_sdwd(root, sdwd) < 0) {
		usage_error(&verb_wrap, "there is no sdwd in %s, nor in /usr/bin%s%s", SDWD_BINDIR,
			    root[0] != '\0' ? " of " : "", root);
		return CTL_CANNOT;
	}
	programs_find_prober(root, sdwd, prober);
	if (drop_in_path(u->name, path, sizeof(path)) < 0) {
		usage_error(&verb_wrap, "%s: its name is too long", u->name);
		return CTL_USAGE;
	}
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	wish.is_folder_new = !root_has(root, folder);
	r = drop_in_make(u, &wish, &t, &n, &e);
	if (r == -EPERM) {
		usage_error(&verb_wrap, "%s: %s", u->name, errors);
		return CTL_UNWELL;
	}
	if (r < 0) {
		complain_lines(&verb_wrap, errors);
		return r == -EINVAL ? CTL_USAGE : CTL_CANNOT;
	}
	if (!s->dry_run && root_has(root, path)) {
		usage_error(&verb_wrap,
			    "%s: it is wrapped already, or %s%s is somebody else's; first: sdwdctl "
			    "unwrap %s",
			    u->name, root, path, unit_for_shell(name, u->name));
		return CTL_UNWELL;
	}
	complain_lines(&verb_wrap, notes);
	if (!s->dry_run)
		return write_drop_in(u->name, path, text, s, root);
	fputs(text, stdout);
	return CTL_WELL;
}

/* With the root folder known: loads the unit. Returns an exit status. */
static int load_and_wrap(const char *name, const struct wrap_settings *s,
			 const struct words *options, const char *root) {
	char error[1024];
	struct text e = TEXT_OVER(error);
	struct unit u;
	char *text;
	int r;

	if (s->now && root[0] != '\0')
		return usage_error(&verb_wrap, "--now cannot be combined with --root: what is in a "
					       "folder does not run");
	if (!s->dry_run && root[0] == '\0' && geteuid() != 0) {
		usage_error(&verb_wrap, "only root may change units; --dry-run shows what would be "
					"written");
		return CTL_CANNOT;
	}
	r = unit_load(&u, name, root, &e);
	if (r < 0) {
		usage_error(&verb_wrap, "%s", error);
		return r == -EINVAL ? CTL_USAGE : CTL_CANNOT;
	}
	text = calloc(1, DROP_IN_SIZE_MAX);
	r = text ? wrap(&u, s, options, root, text) : CTL_CANNOT;
	free(text);
	unit_done(&u);
	return r;
}

static int run(int argc, char **argv) {
	struct wrap_settings s = {0};
	struct words options = {0};
	size_t n_words = 0;
	char *root = NULL;
	int status = CTL_USAGE, r = sdwd_options_part(argc, argv, wrap_options, &options);

	if (r > 0)
		r = arguments_parse(&verb_wrap, r, argv, &s, &n_words);
	if (r != 0) {
		words_done(&options);
		return r > 0 ? CTL_WELL : CTL_USAGE;
	}
	if (n_words != 1)
		usage_error(&verb_wrap, "%s; see sdwdctl wrap --help",
			    n_words == 0 ? "a unit is missing" : "one unit at a time");
	else if (take_root(&verb_wrap, s.root, &root) == 0)
		status = load_and_wrap(argv[1], &s, &options, root);
	free(root);
	words_done(&options);
	arguments_done(&verb_wrap, &s);
	return status;
}
