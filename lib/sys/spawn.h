/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/* A command of the operator's (hook, exec check), split once at start. */
struct spawn_command {
	char **argv;  /* owned, NULL-terminated; {"/bin/sh", "-c", text} where text has shell
			 metacharacters */
	char *folder; /* where it runs, owned; NULL: in ours */
};

/*
 * Splits at blanks with '...', "..." and backslash as a shell would; anything a shell would do more
 * with (| & ; < > ( ) $ ` * ? [ # ~ = % ! { } newline, each unless quoted; $ and ` also in "...")
 * makes it a /bin/sh -c command. It will run in what is our working folder now: call this before we
 * leave it. Returns 0, -EINVAL (empty, or an unfinished quote), or -ENOMEM.
 */
int spawn_command_parse(struct spawn_command *c, const char *text);
void spawn_command_done(struct spawn_command *c);

/*
 * Looks for the program as execvp(3) does: 0 where it could be executed now, -ENOENT where there is
 * none, or another negative errno. Of a /bin/sh -c command only the shell is looked for. May wait
 * for a file system.
 */
int spawn_command_check(const struct spawn_command *c);

/*
 * Starts it in a clean state: own session and group, c->folder, empty mask, default dispositions,
 * /dev/null as stdin, every fd from 3 on closed, no scheduling or OOM settings of ours,
 * NOTIFY_SOCKET WATCHDOG_* LISTEN_* unset; @set_env ("NAME=value", NULL at the end, or NULL) on top
 * of our environment. stdout and stderr go to @output_fd (borrowed), or stay ours where it is -1.
 * Failures before and at exec show as exit status 126 or 127, and as a line in @output_fd that says
 * why. All signals must be blocked (signals_block()). Returns 0 and the pid (group leader), or a
 * negative errno.
 */
int spawn_start(const struct spawn_command *c, char *const *set_env, int output_fd, pid_t *ret_pid);

/* In a forked child: closes every fd from @first on. */
void spawn_close_from(unsigned first);

/*
 * Starts a helper of our own, not of the operator's: the program that is open at @program_fd
 * (O_PATH is enough), called @argv[0]. As spawn_start(), but no signal of a unit or a terminal ends
 * it (signals_ignore()), it dies with us (SIGKILL), has no capabilities where those can be taken
 * away, stdout is /dev/null, stderr stays ours, and @socket_fd (borrowed) is its fd 3. Returns 0
 * and the pid (group leader), or a negative errno.
 */
int spawn_helper(int program_fd, char *const *argv, int socket_fd, pid_t *ret_pid);

/*
 * Closes the @n sockets at @fds in a process that is forked for it and ends at once: what is in
 * them is given up without waiting for anything. Returns 0 and the pid, or a negative errno: none
 * is closed.
 */
int spawn_close(const int *fds, size_t n, pid_t *ret_pid);

/* SIGKILL to the whole group of @pid, which must not have been reaped. */
void spawn_kill(pid_t pid);
