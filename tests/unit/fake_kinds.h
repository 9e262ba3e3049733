/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/args.h"

/* Kinds of probes for the tests of the conf room, one of each shape that a kind can have. */

struct fake_settings {
	unsigned status;
	char *body;
	char *headers; /* all of them, a ';' behind each */
};

static int fake_parse_header(const struct opt *o, const char *value, void *field,
			     struct text *error) {
	char **headers = field, *joined;
	size_t before = *headers ? strlen(*headers) : 0, length = strlen(value);

	if (!strchr(value, ':')) {
		text_addf(error, "'%s' has no colon", value);
		return -EINVAL;
	}
	joined = realloc(*headers, before + length + 2);
	if (!joined)
		return -ENOMEM;
	memcpy(joined + before, value, length);
	strcpy(joined + before + length, ";");
	*headers = joined;
	return 0;
}

static int fake_check(const char *target, void *settings, struct text *error) {
	if (strncmp(target, "http://", 7) == 0)
		return 0;
	text_addf(error, "'%s' is not a URL", target);
	return -EINVAL;
}

static void fake_settings_done(void *settings) {
	struct fake_settings *s = settings;

	free(s->body);
	free(s->headers);
}

static const struct opt fake_http_options[] = {
	{.name = "http-status",
	 .argument = "CODE",
	 .fallback = "200",
	 .parse = opt_parse_unsigned,
	 .offset = offsetof(struct fake_settings, status),
	 .minimum = 100,
	 .maximum = 999,
	 .help = "the expected status"},
	{.name = "http-body",
	 .argument = "REGEX",
	 .parse = opt_parse_string,
	 .flags = OPT_OWN_ONLY,
	 .offset = offsetof(struct fake_settings, body),
	 .help = "what the body must match"},
	{.name = "http-header",
	 .argument = "HEADER",
	 .parse = fake_parse_header,
	 .flags = OPT_REPEAT,
	 .offset = offsetof(struct fake_settings, headers),
	 .help = "sent with the request"},
	{NULL},
};

static const struct probe_kind fake_http = {
	.name = "http",
	.argument = "URL",
	.help = "good when it answers",
	.mode = PROBE_PULL,
	.options = fake_http_options,
	.settings_size = sizeof(struct fake_settings),
	.check = fake_check,
	.settings_done = fake_settings_done,
};
static const struct probe_kind fake_exec = {
	.name = "exec",
	.argument = "COMMAND",
	.help = "good when it exits 0",
	.mode = PROBE_PULL,
	.knows_not = (const char *const[]){"fall-window", NULL},
	.start_interval_usec = USEC_PER_SEC,
};
static const struct probe_kind fake_heartbeat = {
	.name = "heartbeat",
	.argument = "FD",
	.argument_is_optional = true,
	.help = "good when it writes to a pipe",
	.mode = PROBE_PUSH,
};
static const struct probe_kind fake_notify = {
	.name = "notify",
	.argument = "watchdog",
	.argument_is_optional = true,
	.help = "good when it speaks sd_notify",
	.mode = PROBE_PUSH,
};
static const struct probe_kind fake_file = {
	.name = "file",
	.argument = "PATH",
	.help = "good when the file changes",
	.mode = PROBE_PUSH,
	.knows = (const char *const[]){"interval", NULL},
};
static const struct probe_kind fake_pidfile = {
	.name = "pidfile",
	.argument = "PATH",
	.help = "good when it names a process of ours",
	.mode = PROBE_STATE,
};
static const struct probe_kind fake_forking = {
	.name = "forking",
	.help = "good when one descendant is left",
	.mode = PROBE_STATE,
};

static const struct probe_kind *const fake_kinds[] = {
	&fake_http, &fake_exec,    &fake_heartbeat, &fake_notify,
	&fake_file, &fake_pidfile, &fake_forking,   NULL,
};

static inline size_t count_words(const char *const *words) {
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

#define PARSE(c, ...) parse((c), (const char *const[]){__VA_ARGS__, NULL})
#define RESOLVE(c, env, w, ...) resolve((c), (env), (w), (const char *const[]){__VA_ARGS__, NULL})

/* The error of the last parse(), resolve(), from_file() or from_argv(). */
static char error_text[4096];

/* Reads @words (NULL at the end, without argv[0]) into @c on top of what is there. */
static inline int from_argv(struct conf *c, const char *const *words) {
	struct text error = TEXT_OVER(error_text);
	const char *argv[40] = {"sdwd"};
	size_t n = count_words(words);

	assert_true(n < ARRAY_SIZE(argv) - 1);
	memcpy(argv + 1, words, n * sizeof(*words));
	return args_parse(c, (int)n + 1, (char **)argv, fake_kinds, &error);
}

/* Sets one option as line @line of a file. */
static inline int from_file(struct conf *c, unsigned line, const char *name, const char *value) {
	const struct origin origin = {.kind = ORIGIN_FILE, .line = line, .file = "/etc/x.conf"};
	struct text error = TEXT_OVER(error_text);

	return conf_set(c, name, value, &origin, fake_kinds, &error);
}

static inline int parse(struct conf *c, const char *const *words) {
	conf_init(c);
	return from_argv(c, words);
}

/* Parses, which must be right, and resolves. */
static inline int resolve(struct conf *c, const struct conf_env *env, usec_t *ret_w,
			  const char *const *words) {
	struct text error = {.data = error_text, .size = sizeof(error_text)};

	assert_int_equal(parse(c, words), 0);
	assert_string_equal(error_text, "");
	return conf_resolve(c, env, ret_w, &error);
}

static inline const struct fake_settings *http_settings(const struct conf *c, size_t i) {
	assert_ptr_equal(c->probes[i]->kind, &fake_http);
	return c->probes[i]->settings;
}
