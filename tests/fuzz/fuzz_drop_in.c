/* SPDX-License-Identifier: MIT */
/*
 * A unit file that "sdwdctl wrap" puts under sdwd, and behind a NUL the options, a NUL behind each.
 * What is written is a unit file again that says nothing but what wrap says, and its command line
 * is sdwd with these options, and the unit's own command behind them as it stands.
 */
#include <errno.h>

#include "base/whole_file.h"
#include "drop_in.h"
#include "exec_line.h"
#include "root.h"

#include "fuzz.h"

#define NAME "web@one.service"
#define SDWD "/usr/bin/sdwd"

/* Nothing of the machine is looked at: each program is there, and no file of options. */
int __wrap_root_enter(const char *root, const char *path, char inner[static PATH_MAX]);
bool __wrap_root_has(const char *root, const char *path);
int __wrap_root_read(const char *root, const char *path, char **ret_data, size_t *ret_length);
int __wrap_whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
			   size_t *ret_length, struct text *error);
int __wrap_open(const char *path, int flags, ...);

int __wrap_root_enter(const char *root, const char *path, char inner[static PATH_MAX]) {
	snprintf(inner, PATH_MAX, "%s%s", root, path);
	return 0;
}

bool __wrap_root_has(const char *root, const char *path) {
	return true;
}

int __wrap_root_read(const char *root, const char *path, char **ret_data, size_t *ret_length) {
	return -ENOENT;
}

int __wrap_whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
			   size_t *ret_length, struct text *error) {
	text_add(error, strerror(ENOENT));
	return -ENOENT;
}

int __wrap_open(const char *path, int flags, ...) {
	errno = ENOENT;
	return -1;
}

static bool is_ours(const char *name) {
	static const char *const names[] = {
		"ExecStart",
		"Type",
		"NotifyAccess",
		"PIDFile",
		"WatchdogSec",
		"Restart",
		"KillMode",
		"ExecPaths",
		"ReadWritePaths",
		"SyslogIdentifier",
		"RestartPreventExitStatus",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end) {
	size_t length = strlen(text), n = strlen(end);

	return length >= n && strcmp(text + length - n, end) == 0;
}

/* @made is the new command line, @e the unit's own. */
static void check_command(const char *made, const struct exec_line *e,
			  const struct words *options) {
	size_t n_found = 0, length = strlen(made), rest_length = strlen(e->rest);
	struct exec_line line;
	const char *rest;
	char *word;
	int r;

	must(exec_line_parse(&line, made) == 0 && strcmp(line.path, SDWD) == 0 && !line.argv0);
	must(strcmp(line.prefixes, e->prefixes) == 0);
	must(length >= rest_length && strcmp(made + length - rest_length, e->rest) == 0);
	rest = line.rest;
	/* Among sdwd's own, in their order, are those that were given. */
	while ((r = exec_line_next(&line, NAME, &rest, &word)) > 0 && strcmp(word, "--") != 0) {
		if (n_found < options->n_items && strcmp(word, options->items[n_found]) == 0)
			n_found++;
		free(word);
	}
	must(r == 1 && n_found == options->n_items);
	free(word);
	/* The program: a path without a slash was looked for. */
	must(exec_line_next(&line, NAME, &rest, &word) == 1);
	must(strpbrk(e->path, "%$") || ends_with(word, e->path));
	free(word);
	exec_line_done(&line);
}

static void check_made(const char *text, const struct exec_line *e, const struct words *options) {
	struct unit_settings s = {0};
	const char *made;
	bool is_folder_ours;

	must(drop_in_origin(text, &is_folder_ours) == DROP_IN_OURS && !is_folder_ours);
	must(unit_settings_read(&s, text, strlen(text)) == 0);
	for (size_t i = 0; i < s.n_items; i++)
		must(strcmp(s.items[i].section, "Service") == 0 && is_ours(s.items[i].name));
	must(s.n_items >= 2 && s.items[0].value[0] == '\0');
	made = unit_last(&s, "Service", "ExecStart");
	must(made == s.items[1].value);
	check_command(made, e, options);
	unit_settings_done(&s);
}

/* Other words are no options: wrap takes them for itself. */
static void split(struct words *options, const char *data, size_t size) {
	for (size_t at = 0; at < size && options->n_items < 16; at += strlen(data + at) + 1)
		if (strncmp(data + at, "--", 2) == 0 && data[at + 2] != '\0')
			must(words_add(options, data + at) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static char made[DROP_IN_SIZE_MAX], note[65536], error[65536];
	struct text t = TEXT_OVER(made), notes = TEXT_OVER(note), errors = TEXT_OVER(error);
	struct unit u = {.name = (char *)NAME};
	struct words options = {0};
	struct drop_in_wish wish = {.options = &options,
				    .sdwd = SDWD,
				    .prober = "/usr/libexec/sdwd/sdwd-prober",
				    .root = ""};
	char *unit = fuzz_text(data, size), *words;
	size_t length = strlen(unit);
	int r;

	words = calloc(1, size - MIN(length + 1, size) + 1);
	must(words);
	if (length + 1 < size) {
		memcpy(words, data + length + 1, size - length - 1);
		split(&options, words, size - length - 1);
	}
	must(unit_settings_read(&u.settings, unit, length) == 0);
	r = drop_in_make(&u, &wish, &t, &notes, &errors);
	must(r == 0 || r == -EPERM || r == -EINVAL);
	if (r < 0) {
		must(errors.length > 0);
	} else {
		struct exec_line e;

		must(exec_line_parse(&e, unit_next(&u.settings, "ExecStart", NULL)->value) == 0);
		check_made(made, &e, &options);
		exec_line_done(&e);
	}
	unit_settings_done(&u.settings);
	words_done(&options);
	free(unit);
	free(words);
	return 0;
}
