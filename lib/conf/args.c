/* SPDX-License-Identifier: MIT */
#include "conf/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/foreign.h"

static const struct origin argv_origin = {.kind = ORIGIN_ARGV};

static void string_freep(char **string) {
	free(*string);
}

static int refuse_short(const char *word, struct text *error) {
	char letter[2] = {word[1], '\0'}, quoted[OPT_QUOTED_MAX];
	const struct foreign_name *f = foreign_find(letter);

	if (f) {
		text_addf(error, "-%s: not an option here; %s", letter, f->advice);
		return -EINVAL;
	}
	text_addf(error,
		  "unknown option %s: sdwd has long options only; "
		  "the command's own options come after the command",
		  opt_quoted(quoted, word));
	return -EINVAL;
}

/*
 * Reads the option at @words[0], which begins with "--". Returns how many words it took, or a
 * negative errno.
 */
static int take_option(struct conf *c, char **words, const struct probe_kind *const *kinds,
		       struct text *error) {
	cleanup(string_freep) char *name = strdup(words[0] + 2);
	char *value;
	int n_words = 1;
	int r;

	if (!name) {
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	value = strchr(name, '=');
	if (value) {
		*value++ = '\0';
	} else if (conf_argument(name, kinds) == CONF_REQUIRED && words[1] &&
		   strcmp(words[1], "--") != 0) {
		/* "--" is far more often a forgotten value than a wanted one. */
		value = words[1];
		n_words = 2;
	}
	r = conf_set(c, name, value, &argv_origin, kinds, error);
	return r < 0 ? r : n_words;
}

int args_parse(struct conf *c, int argc, char **argv, const struct probe_kind *const *kinds,
	       struct text *error) {
	int i = argc > 0 ? 1 : 0;
	int r;

	conf_begin_source(c);
	while (i < argc && !c->do_help && !c->do_version) {
		const char *word = argv[i];

		if (word[0] != '-' || word[1] == '\0')
			break;
		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		if (word[1] != '-') {
			if (strcmp(word, "-h") == 0)
				c->do_help = true;
			else if (strcmp(word, "-V") == 0)
				c->do_version = true;
			else
				return refuse_short(word, error);
			break;
		}
		r = take_option(c, argv + i, kinds, error);
		if (r < 0)
			return r;
		i += r;
	}
	if (i >= argc || c->do_help || c->do_version)
		return 0;

	r = conf_set_command(c, argv + i);
	if (r < 0)
		text_add(error, "out of memory");
	return r;
}
