/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/spawn.h"

/*
 * Only what a shell and execvp(3) would understand in the same way is split here (POSIX.1, Shell
 * Command Language, 2.2 Quoting); the rest is the shell's, so a hook behaves as it does at a
 * prompt.
 */

#define SHELL_WORDS "|&;<>()$`*?[#~=%!{}\n"
#define SHELL_IN_QUOTES "$`"

/* What is known about a text after it was read once. */
struct split {
	char *buffer; /* the words, each with its NUL, at most as long as the text */
	char *end;
	size_t n_words;
	bool is_in_word;
	bool needs_shell;
};

static void add_byte(struct split *s, char byte) {
	s->is_in_word = true;
	*s->end++ = byte;
}

static void end_word(struct split *s) {
	if (!s->is_in_word)
		return;
	*s->end++ = '\0';
	s->n_words++;
	s->is_in_word = false;
}

/* @p is behind the opening quote. Returns what is behind the closing one, or NULL. */
static const char *split_single(struct split *s, const char *p) {
	s->is_in_word = true;
	for (; *p != '\''; p++) {
		if (*p == '\0')
			return NULL;
		add_byte(s, *p);
	}
	return p + 1;
}

/* In double quotes a backslash only quotes $ ` " and itself (2.2.3). */
static const char *split_double(struct split *s, const char *p) {
	s->is_in_word = true;
	for (; *p != '"'; p++) {
		if (*p == '\\' && p[1] != '\0' && strchr("$`\"\\", p[1]))
			p++;
		else if (*p == '\\' && p[1] == '\n')
			s->needs_shell = true;
		else if (*p != '\0' && strchr(SHELL_IN_QUOTES, *p))
			s->needs_shell = true;
		if (*p == '\0')
			return NULL;
		add_byte(s, *p);
	}
	return p + 1;
}

static int split(struct split *s, const char *p) {
	while (*p != '\0') {
		if (*p == ' ' || *p == '\t') {
			end_word(s);
			p++;
		} else if (*p == '\'') {
			p = split_single(s, p + 1);
		} else if (*p == '"') {
			p = split_double(s, p + 1);
		} else if (*p == '\\') {
			if (p[1] == '\0')
				return -EINVAL;
			s->needs_shell |= p[1] == '\n';
			add_byte(s, p[1]);
			p += 2;
		} else {
			s->needs_shell |= strchr(SHELL_WORDS, *p) != NULL;
			add_byte(s, *p++);
		}
		if (!p)
			return -EINVAL;
	}
	end_word(s);
	return 0;
}

static char **copy_words(const char *words, size_t n) {
	char **argv = calloc(n + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < n; i++) {
		argv[i] = strdup(words);
		if (!argv[i]) {
			spawn_command_done(&(struct spawn_command){.argv = argv});
			return NULL;
		}
		words += strlen(words) + 1;
	}
	return argv;
}

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
	struct split s = {0};
	char **argv;
	int r;

	s.buffer = s.end = malloc(strlen(text) + 1);
	if (!s.buffer)
		return -ENOMEM;
	r = split(&s, text);
	/* No command is named by the empty word. */
	if (r == 0 && !s.needs_shell && (s.n_words == 0 || s.buffer[0] == '\0'))
		r = -EINVAL;
	if (r < 0) {
		free(s.buffer);
		return r;
	}
	argv = s.needs_shell ? shell_words(text) : copy_words(s.buffer, s.n_words);
	free(s.buffer);
	if (!argv)
		return -ENOMEM;
	/* By name: a file descriptor would hold its mount. A folder that is gone has none. */
	*c = (struct spawn_command){.argv = argv, .folder = getcwd(NULL, 0)};
	if (!c->folder && errno == ENOMEM) {
		spawn_command_done(c);
		return -ENOMEM;
	}
	return 0;
}

void spawn_command_done(struct spawn_command *c) {
	for (size_t n = 0; c->argv && c->argv[n]; n++)
		free(c->argv[n]);
	free(c->argv);
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
