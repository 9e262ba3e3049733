/* SPDX-License-Identifier: MIT */
#include "unit_verbs.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "sdwd_options.h"
#include "unit.h"

void complain_lines(const struct verb *v, const char *lines) {
	while (*lines != '\0') {
		size_t length = strcspn(lines, "\n");

		fprintf(stderr, "sdwdctl: %s: %.*s\n", v->name, (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

int take_root(const struct verb *v, const char *given, char **ret_root) {
	char quoted[OPT_QUOTED_MAX];
	struct stat st;
	size_t length;
	int r = 0;

	*ret_root = NULL;
	if (given && (stat(given, &st) < 0 || !S_ISDIR(st.st_mode))) {
		usage_error(v, "--root: %s is no folder", opt_quoted(quoted, given));
		return -EINVAL;
	}
	if (given)
		r = path_absolute(given, ret_root);
	else
		*ret_root = strdup("");
	if (r < 0 || !*ret_root) {
		usage_error(v, "--root: %s", strerror(r < 0 ? -r : ENOMEM));
		return -ENOMEM;
	}
	length = strlen(*ret_root);
	while (length > 0 && (*ret_root)[length - 1] == '/')
		(*ret_root)[--length] = '\0';
	return 0;
}

static int run(const struct verb *v, const char *const words[]) {
	pid_t pid;
	int status = 0;
	int r = posix_spawnp(&pid, words[0], NULL, NULL, (char *const *)words, environ);

	fflush(stdout);
	if (r != 0) {
		usage_error(v, "%s: %s", words[0], strerror(r));
		return -EIO;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -EIO;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	usage_error(v, "%s %s did not succeed", words[0], words[1]);
	return -EIO;
}

/* How systemctl is told of @unit: of a template all that runs of it is meant. */
static void name_running(const char *unit, char name[static NAME_MAX + 2]) {
	const char *end = strstr(unit, "@.");
	int length = end ? (int)(end + 1 - unit) : 0;

	snprintf(name, NAME_MAX + 2, "%.*s%s%s", length, unit, end ? "*" : "", unit + length);
}

const char *running_for_shell(char buffer[static UNIT_SHELL_MAX], const char *unit) {
	char name[NAME_MAX + 2];

	name_running(unit, name);
	return unit_for_shell(buffer, name);
}

static int add_running(const char *unit, struct words *names) {
	char pattern[NAME_MAX + 2];

	name_running(unit, pattern);
	return unit_running(pattern, names);
}

bool would_restart(const char *unit) {
	struct words names = {0};
	bool would = add_running(unit, &names) == 0 && names.n_items > 0;

	words_done(&names);
	return would;
}

/* What is stopped stays so, and finds the new settings when it is started. Not by try-restart, to
 * which one that is still starting is none that runs (systemd 247). */
static int restart_running(const struct verb *v, const char *unit) {
	static const char *const command[] = {"systemctl", "restart", "--"};
	struct words words = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(command) && r == 0; i++)
		r = words_add(&words, command[i]);
	if (r == 0)
		r = add_running(unit, &words);
	if (r < 0)
		usage_error(v, "systemd does not tell what runs of %s: %s", unit, strerror(-r));
	else if (words.n_items > ARRAY_SIZE(command))
		r = run(v, (const char *const *)words.items);
	words_done(&words);
	return r < 0 ? -EIO : 0;
}

int apply_now(const struct verb *v, const char *unit) {
	const char *const reload[] = {"systemctl", "daemon-reload", NULL};
	int r = run(v, reload);

	return r == 0 ? restart_running(v, unit) : r;
}

void tell_commands(const char *unit, const char *root) {
	char name[UNIT_SHELL_MAX];

	if (root[0] == '\0')
		printf("It takes effect with: systemctl daemon-reload && systemctl restart %s\n",
		       running_for_shell(name, unit));
}
