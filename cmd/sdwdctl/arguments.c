/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verb.h"

int usage_error(const struct verb *v, const char *format, ...) {
	va_list list;

	fprintf(stderr, "sdwdctl: %s: ", v->name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	return CTL_USAGE;
}

int no_memory(const struct verb *v) {
	fprintf(stderr, "sdwdctl: %s: out of memory\n", v->name);
	return CTL_CANNOT;
}

void arguments_help(const struct verb *v) {
	printf("Usage: sdwdctl %s%s%s%s\n\n%s.\n", v->name, v->options ? " [OPTION...]" : "",
	       v->words[0] ? " " : "", v->words, v->help);
	for (const struct opt *o = v->options; o && o->name; o++) {
		char name[64];

		snprintf(name, sizeof(name), "--%s%s%s", o->name, o->argument ? "=" : "",
			 o->argument ? o->argument : "");
		printf("%s  %-22s  %s", o == v->options ? "\n" : "", name, o->help);
		if (o->shown || o->fallback)
			printf(" (default: %s)", o->shown ? o->shown : o->fallback);
		putchar('\n');
	}
	if (v->takes_probes)
		puts("\nIt also takes sdwd's probe options, like --http=URL: see sdwd --help, "
		     "sdwd-probes(7).");
}

static void *field_of(const struct opt *o, void *settings) {
	return (char *)settings + o->offset;
}

/* Sets option @o. Returns 0 or -EINVAL after a line on stderr. */
static int set(const struct verb *v, const struct opt *o, const char *value, void *settings) {
	char reason[512];
	struct text error = TEXT_OVER(reason);

	if (!value && o->argument && !(o->flags & OPT_ARGUMENT_OPTIONAL)) {
		usage_error(v, "--%s: it needs a value: --%s=%s", o->name, o->name, o->argument);
		return -EINVAL;
	}
	if (o->parse(o, value, field_of(o, settings), &error) < 0) {
		usage_error(v, "--%s: %s", o->name, reason);
		return -EINVAL;
	}
	return 0;
}

static int set_defaults(const struct verb *v, void *settings) {
	for (const struct opt *o = v->options; o && o->name; o++)
		if (o->fallback && set(v, o, o->fallback, settings) < 0)
			return -EINVAL;
	return 0;
}

/* Takes the option at @words[0]. Returns how many words it is made of, or -EINVAL. */
static int take(const struct verb *v, char **words, void *settings) {
	char name[64], quoted[OPT_QUOTED_MAX];
	size_t length = strcspn(words[0] + 2, "=");
	const char *value = NULL;
	const struct opt *o;
	int n = 1;

	snprintf(name, sizeof(name), "%.*s", (int)length, words[0] + 2);
	o = length < sizeof(name) ? opt_find(v->options, name) : NULL;
	if (!o) {
		usage_error(v, "unknown option %s; see sdwdctl %s --help",
			    opt_quoted(quoted, words[0]), v->name);
		return -EINVAL;
	}
	if (words[0][2 + length] == '=') {
		value = words[0] + 2 + length + 1;
	} else if (o->argument && !(o->flags & OPT_ARGUMENT_OPTIONAL) && words[1]) {
		value = words[1];
		n = 2;
	}
	return set(v, o, value, settings) < 0 ? -EINVAL : n;
}

int arguments_parse(const struct verb *v, int argc, char **argv, void *settings,
		    size_t *ret_n_words) {
	char quoted[OPT_QUOTED_MAX];
	size_t n_words = 0;
	int r = set_defaults(v, settings);

	for (int i = 1; r >= 0 && i < argc;) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			arguments_help(v);
			return 1;
		}
		if (strcmp(argv[i], "--") == 0) {
			while (++i < argc)
				argv[++n_words] = argv[i];
		} else if (strncmp(argv[i], "--", 2) == 0) {
			r = take(v, argv + i, settings);
			i += r;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			usage_error(v, "unknown option %s; see sdwdctl %s --help",
				    opt_quoted(quoted, argv[i]), v->name);
			r = -EINVAL;
		} else {
			argv[++n_words] = argv[i++];
		}
	}
	if (r >= 0 && n_words > 0 && v->words[0] == '\0') {
		usage_error(v, "%s is one word too many; see sdwdctl %s --help",
			    opt_quoted(quoted, argv[1]), v->name);
		r = -EINVAL;
	}
	if (r < 0) {
		arguments_done(v, settings);
		return r;
	}
	*ret_n_words = n_words;
	return 0;
}

void arguments_done(const struct verb *v, void *settings) {
	for (const struct opt *o = v->options; o && o->name; o++)
		if (o->parse == opt_parse_string) {
			char **field = field_of(o, settings);

			free(*field);
			*field = NULL;
		}
}
