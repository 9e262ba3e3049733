/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "sys/spawn.h"

/*
 * Only what a shell and execvp(3) would understand in the same way is split here; the rest is the
 * shell's, so a hook behaves as it does at a prompt.
 */

static char **shell_words(const char *text) {
	char **argv = calloc(4, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = strdup("/bin/sh");
	argv[1] = strdup("-c");
	argv[2] = strdup(text);
	if (argv[0] && argv[1] && argv[2])
		return argv;
	for (size_t i = 0; i < 3; i++)
		free(argv[i]);
	free(argv);
	return NULL;
}

int spawn_command_parse(struct spawn_command *c, const char *text) {
	bool needs_shell;
	char **words;
	int r;

	r = words_split(text, &words, &needs_shell);
	if (r < 0)
		return r;
	if (needs_shell) {
		words_free(words);
		words = shell_words(text);
		if (!words)
			return -ENOMEM;
	} else if (!words[0] || words[0][0] == '\0') {
		/* No command is named by the empty word. */
		words_free(words);
		return -EINVAL;
	}
	/* By name: a file descriptor would hold its mount. A folder that is gone has none. */
	*c = (struct spawn_command){.argv = words, .folder = getcwd(NULL, 0)};
	if (!c->folder && errno == ENOMEM) {
		spawn_command_done(c);
		return -ENOMEM;
	}
	return 0;
}

void spawn_command_done(struct spawn_command *c) {
	words_free(c->argv);
	free(c->folder);
	*c = (struct spawn_command){0};
}

static int check_file(const char *path) {
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int spawn_command_check(const struct spawn_command *c) {
	const char *name = c->argv[0], *folder = getenv("PATH");
	int result = -ENOENT;

	if (strchr(name, '/'))
		return check_file(name);
	/* What execvp(3) searches without PATH. */
	if (!folder)
		folder = "/bin:/usr/bin";
	for (const char *end;; folder = end + 1) {
		char path[PATH_MAX];
		struct text t = TEXT_OVER(path);
		int r;

		end = strchrnul(folder, ':');
		/* An empty one is the working folder. */
		text_addf(&t, "%.*s%s%s", (int)(end - folder), folder, end > folder ? "/" : "",
			  name);
		r = t.is_cut ? -ENAMETOOLONG : check_file(path);
		if (r == 0)
			return 0;
		/* One that is there, but may not be executed, says more than one that is not. */
		if (r == -EACCES)
			result = r;
		if (*end == '\0')
			return result;
	}
}
