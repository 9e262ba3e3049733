/* SPDX-License-Identifier: MIT */
#include "sdwd_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "base/usec.h"
#include "conf/args.h"
#include "conf/file.h"
#include "root.h"

int words_add(struct words *w, const char *word) {
	char **items = reallocarray(w->items, w->n_items + 2, sizeof(*items));

	if (!items)
		return -ENOMEM;
	w->items = items;
	items[w->n_items] = strdup(word);
	if (!items[w->n_items])
		return -ENOMEM;
	items[++w->n_items] = NULL;
	return 0;
}

void words_done(struct words *w) {
	for (size_t i = 0; i < w->n_items; i++)
		free(w->items[i]);
	free(w->items);
	*w = (struct words){0};
}

/* The file of --config, as main() of sdwd reads it. */
static int read_config(struct conf *c, const char *path, const char *root,
		       const struct probe_kind *const *kinds, struct text *errors) {
	char quoted[OPT_QUOTED_MAX];
	char *data;
	size_t length;
	int r;

	if (path[0] != '/') {
		text_addf(errors, "--config: %s: in a unit it must be a whole path",
			  opt_quoted(quoted, path));
		return -EINVAL;
	}
	r = root_read(root, path, &data, &length);
	if (r < 0) {
		text_addf(errors, "--config: %s: %s", opt_quoted(quoted, path), strerror(-r));
		return -EINVAL;
	}
	r = conf_file_parse(c, path, data, length, kinds, errors);
	free(data);
	return r;
}

/* What is asked of sdwd there instead of running. */
static const char *other_business(const struct conf *c) {
	return c->do_help           ? "help"
	       : c->do_version      ? "version"
	       : c->do_check        ? "check"
	       : c->do_dump_options ? "dump-options"
				    : NULL;
}

int sdwd_options_read(struct conf *c, const struct words *options, const char *const *command,
		      const char *unit, usec_t watchdog_usec, const char *root,
		      struct text *errors) {
	struct config_kinds kinds;
	struct conf_env env = {.has_notify_socket = true,
			       .watchdog_usec = watchdog_usec,
			       .unit = unit};
	const char *config = NULL;
	struct words words = {0};
	usec_t w;
	int r = words_add(&words, "sdwd");

	config_kinds(&kinds);
	conf_init(c);
	for (size_t i = 0; r == 0 && i < options->n_items; i++)
		r = words_add(&words, options->items[i]);
	if (r == 0 && command)
		r = words_add(&words, "--");
	for (; r == 0 && command && *command; command++)
		r = words_add(&words, *command);
	if (r == 0)
		r = args_find_config((int)words.n_items, words.items, kinds.list, &config);
	if (r == 0 && config)
		r = read_config(c, config, root, kinds.list, errors);
	if (r == 0)
		r = args_parse(c, (int)words.n_items, words.items, kinds.list, errors);
	if (r == 0 && other_business(c)) {
		text_addf(errors, "--%s: not in a unit", other_business(c));
		r = -EINVAL;
	}
	if (r == 0)
		r = conf_resolve(c, &env, &w, errors);
	if (r == -ENOMEM)
		text_add(errors, "out of memory");
	words_done(&words);
	return r;
}

bool sdwd_options_have(const struct words *options, const char *name) {
	for (size_t i = 0; i < options->n_items; i++) {
		const char *word = options->items[i];
		size_t length = strlen(name);

		if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, length) == 0 &&
		    (word[2 + length] == '\0' || word[2 + length] == '='))
			return true;
	}
	return false;
}

/* How many words the option at @word is made of. */
static int length_of(const char *word, enum conf_argument argument) {
	return argument == CONF_REQUIRED && !strchr(word, '=') ? 2 : 1;
}

int sdwd_options_part(int argc, char **argv, const struct opt *own, struct words *options) {
	struct config_kinds kinds;
	int left = 1;

	config_kinds(&kinds);
	for (int i = 1; i < argc;) {
		char *word = argv[i], name[64];
		const struct opt *o;
		int n = 1;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
		    strcmp(word, "--") == 0 || strncmp(word, "--", 2) != 0) {
			argv[left++] = word;
			i++;
			continue;
		}
		o = opt_find(own, name + 2);
		if (o)
			n = o->argument && !strchr(word, '=') ? 2 : 1;
		else
			n = length_of(word, conf_argument(name + 2, kinds.list));
		for (; n > 0 && i < argc; n--, i++) {
			if (o)
				argv[left++] = argv[i];
			else if (words_add(options, argv[i]) < 0)
				return -ENOMEM;
		}
	}
	argv[left] = NULL;
	return left;
}

usec_t unit_watchdog_usec(const struct unit_settings *s) {
	usec_t usec;

	if (usec_parse(unit_value(s, "WatchdogSec", "0"), &usec) < 0 || usec == USEC_INFINITY)
		return 0;
	return usec;
}
