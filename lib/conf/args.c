/* SPDX-License-Identifier: MIT */
#include "conf/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/foreign.h"

static const struct origin argv_origin = {.kind = ORIGIN_ARGV};

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

/* An option as it stands in argv. */
struct word_option {
	char *name;        /* owned, without dashes */
	const char *value; /* in argv; NULL: none */
	int n_words;       /* that it is made of */
};

static void word_option_done(struct word_option *o) {
	free(o->name);
}

/* Reads the option at @words[0], which begins with "--". Returns 0 or -ENOMEM. */
static int read_option(struct word_option *o, char **words, const struct probe_kind *const *kinds) {
	size_t length = strcspn(words[0] + 2, "=");

	*o = (struct word_option){.name = strndup(words[0] + 2, length), .n_words = 1};
	if (!o->name)
		return -ENOMEM;
	if (words[0][2 + length] == '=') {
		o->value = words[0] + 2 + length + 1;
	} else if (conf_argument(o->name, kinds) == CONF_REQUIRED && words[1] &&
		   strcmp(words[1], "--") != 0) {
		/* "--" is far more often a forgotten value than a wanted one. */
		o->value = words[1];
		o->n_words = 2;
	}
	return 0;
}

/* Sets the option at @words[0]. Returns how many words it took, or a negative errno. */
static int take_option(struct conf *c, char **words, const struct probe_kind *const *kinds,
		       struct text *error) {
	cleanup(word_option_done) struct word_option o;
	int r = read_option(&o, words, kinds);

	if (r < 0) {
		text_add(error, "out of memory");
		return r;
	}
	r = conf_set(c, o.name, o.value, &argv_origin, kinds, error);
	return r < 0 ? r : o.n_words;
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

	r = conf_set_command(c, argv + i, &argv_origin);
	if (r < 0)
		text_add(error, "out of memory");
	return r;
}

/* True where @word has something printed whatever else stands beside it. */
static bool is_printed_instead(const char *word) {
	static const char *const words[] = {"-h", "-V", "--help", "--version", "--dump-options"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

int args_find_config(int argc, char **argv, const struct probe_kind *const *kinds,
		     const char **ret_path) {
	const char *path = NULL;
	int i = argc > 0 ? 1 : 0;

	/* What is wrong with a word is for args_parse() to tell. */
	while (i < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
		cleanup(word_option_done) struct word_option o = {0};
		int r = read_option(&o, argv + i, kinds);

		if (r < 0)
			return r;
		if (is_printed_instead(argv[i]))
			break;
		if (!path && strcmp(o.name, "config") == 0 && o.value && *o.value != '\0')
			path = o.value;
		i += o.n_words;
	}
	*ret_path = i < argc && is_printed_instead(argv[i]) ? NULL : path;
	return 0;
}
