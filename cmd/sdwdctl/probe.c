/* SPDX-License-Identifier: MIT */
/*
 * sdwdctl probe: one look by sdwd's own options and code.  The command line is read as sdwd reads
 * its own, so a line of a unit can be pasted; what is for the whole service is refused.  A file of
 * options is a service's: what is for the service in it is checked, and then left alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/prober.h"
#include "app/trial.h"
#include "conf/args.h"
#include "probe_show.h"
#include "sys/inherit.h"
#include "sys/self.h"
#include "verb.h"

/* All that a wrong command line or file can say at once. */
#define ERRORS_MAX 65536

struct probe_options {
	bool is_nagios;
};

static const struct opt options[] = {
	{
		.name = "nagios",
		.help = "answer as a monitoring plugin: one line with performance data, exit "
			"status 0 to 3",
		.parse = opt_parse_flag,
		.offset = offsetof(struct probe_options, is_nagios),
	},
	{
		/* sdwd's own: args_parse() takes it. */
		.name = "config",
		.argument = "FILE",
		.help = "the probes of this file, see sdwd.conf(5)",
	},
	{NULL},
};

struct probing {
	struct config_kinds kinds;
	struct probe_options options;
	struct conf conf;
	bool has_label;
	const char *config; /* NULL: no file */
	struct trial_look *looks;
	size_t n_looks;
	struct probe_skip *skips;
	size_t n_skips;
	char reasons[ERRORS_MAX];
	struct text errors; /* over it */
};

/* Where nothing was looked at: tells the errors. Returns @status, or what Nagios expects then. */
static int give_up(const struct probing *p, int status) {
	const char *line = p->reasons;

	if (p->options.is_nagios) {
		probe_show_nagios_error(p->reasons);
		return CTL_CANNOT;
	}
	while (*line != '\0') {
		size_t length = strcspn(line, "\n");

		(void)usage_error(&verb_probe, "%.*s", (int)length, line);
		line += length + (line[length] == '\n');
	}
	return status;
}

/* The command line -------------------------------------------------------------------------- */

/* The name of the option at @word without dashes, empty where it is none, or longer than any. */
static const char *name_of(char name[static 64], const char *word) {
	size_t length = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;

	snprintf(name, 64, "%.*s", length < 64 ? (int)length : 0, word + 2);
	return name;
}

/* How many words the option at @words[0] is made of, as sdwd counts them. */
static int count_words(const struct probing *p, char **words) {
	char name[64];

	return !strchr(words[0], '=') && words[1] && strcmp(words[1], "--") != 0 &&
			       conf_argument(name_of(name, words[0]), p->kinds.list) ==
				       CONF_REQUIRED
		       ? 2
		       : 1;
}

/* First of all: it decides how errors are told. Takes it out of @argv, which has @*argc words. */
static int take_nagios(struct probing *p, int *argc, char **argv) {
	const struct opt *o = opt_find(options, "nagios");
	int n = 1;

	for (int i = 1, n_words; i < *argc; i += n_words) {
		char name[64];

		n_words = count_words(p, argv + i);
		if (strcmp(name_of(name, argv[i]), o->name) == 0) {
			const char *equals = strchr(argv[i], '=');

			text_add(&p->errors, "--nagios: ");
			if (o->parse(o, equals ? equals + 1 : NULL, &p->options.is_nagios,
				     &p->errors) < 0)
				return -EINVAL;
			p->errors = TEXT_OVER(p->reasons);
			continue;
		}
		for (int k = 0; k < n_words; k++)
			argv[n++] = argv[i + k];
	}
	argv[n] = NULL;
	*argc = n;
	return 0;
}

static bool is_help(const char *word) {
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Refuses what sdwd would take and probe does not. Returns 0, 1 where help is wanted, or -EINVAL.
 */
static int check_words(struct probing *p, int argc, char **argv) {
	char quoted[OPT_QUOTED_MAX], name[64];

	for (int i = 1; i < argc; i += count_words(p, argv + i)) {
		const char *word = argv[i];

		if (is_help(word))
			return 1;
		name_of(name, word);
		if (word[0] == '-' && word[1] != '\0' && word[1] != '-')
			text_addf(&p->errors, "unknown option %s: sdwd's options are long ones",
				  opt_quoted(quoted, word));
		else if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
			text_addf(&p->errors,
				  "%s: only options stand here: nothing is started but checks",
				  opt_quoted(quoted, word));
		else if (strcmp(name, "config") != 0 && opt_find(service_options, name))
			text_addf(&p->errors,
				  "--%s: an option of sdwd for the whole service, not of a probe",
				  name);
		else
			continue;
		return -EINVAL;
	}
	return 0;
}

/* The probes -------------------------------------------------------------------------------- */

/* Why one look, without a child, would not say what sdwd's says; NULL: it would. */
static const char *why_not_alone(const struct probe_conf *c) {
	static const struct {
		const char *kind, *reason;
	} table[] = {
		{"heartbeat", "only a child of sdwd writes beats"},
		{"notify", "only a child of sdwd has this socket"},
		{"file", "one look does not tell whether the file changes"},
		{"pidfile", "sdwd believes only the pid of a process below it, and here is none"},
		{"forking", "it is about the processes below sdwd, and here are none"},
	};

	if (conf_find_given(&c->given, "peer"))
		return "--peer=child: there is no child here";
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(c->kind->name, table[i].kind) == 0)
			return table[i].reason;
	return c->kind->mode == PROBE_PULL ? NULL : "it is about a child of sdwd";
}

/* Those of a file are the service's own, and what can be tried of them is; but nobody asks for the
 * impossible in vain on the command line. */
static int sort_probes(struct probing *p) {
	const struct conf *c = &p->conf;

	p->looks = calloc(c->n_probes + 1, sizeof(*p->looks));
	p->skips = calloc(c->n_probes + 1, sizeof(*p->skips));
	if (!p->looks || !p->skips) {
		text_add(&p->errors, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct probe_conf *probe = c->probes[i];
		const char *reason = why_not_alone(probe);

		if (!reason) {
			p->looks[p->n_looks++].conf = probe;
		} else if (probe->origin.kind == ORIGIN_FILE) {
			p->skips[p->n_skips++] = (struct probe_skip){probe, reason};
		} else {
			text_addf(&p->errors, "%s--%s: cannot be tried alone: %s",
				  p->errors.length > 0 ? "\n" : "", probe->kind->name, reason);
		}
	}
	if (p->errors.length > 0)
		return -EINVAL;
	if (p->n_looks > 0)
		return 0;
	if (p->n_skips > 0) {
		assert(p->skips[0].conf);
		text_addf(&p->errors, "none of the probes of %s can be tried alone: --%s: %s",
			  c->file, p->skips[0].conf->kind->name, p->skips[0].reason);
	} else {
		text_add(&p->errors, "no probe: --http=URL, --tcp=HOST:PORT, --exec=COMMAND, ...; "
				     "see sdwdctl probe --help");
	}
	return -EINVAL;
}

static int configure(struct probing *p, int argc, char **argv) {
	static char *const nothing[] = {(char *)"sdwdctl", NULL};
	static const struct origin origin = {.kind = ORIGIN_BUILTIN};
	struct conf *c = &p->conf;
	struct conf_env env = {0};
	const char *path = NULL;
	usec_t w;
	int r = args_find_config(argc, argv, p->kinds.list, &path);

	if (r == 0 && path)
		r = config_read(c, path, p->kinds.list, &p->errors);
	if (r == 0)
		r = args_parse(c, argc, argv, p->kinds.list, &p->errors);
	if (r < 0)
		return r;
	p->has_label = c->label || c->command;
	/* What there is nothing to be started for. */
	r = c->command ? 0 : conf_set_command(c, nothing, &origin);
	if (r == 0)
		r = conf_resolve(c, &env, &w, &p->errors);
	return r < 0 ? r : sort_probes(p);
}

/* The looks --------------------------------------------------------------------------------- */

static int status_of(const struct probing *p, enum verdict verdict) {
	static const struct {
		int status, nagios;
	} table[VERDICT_MAX] = {
		[VERDICT_PASS] = {CTL_WELL, 0},
		[VERDICT_WARN] = {CTL_WELL, 1},
		[VERDICT_FAIL] = {CTL_UNWELL, 2},
		[VERDICT_UNKNOWN] = {CTL_CANNOT, 3},
	};

	return p->options.is_nagios ? table[verdict].nagios : table[verdict].status;
}

static int try(struct probing *p) {
	struct signals signals;
	enum verdict verdict;
	int r = prober_check(&p->conf, &p->errors);

	if (r == 0) {
		(void)signals_block(&signals);
		r = trial_run(p->looks, p->n_looks, p->has_label ? p->conf.label : NULL, &signals,
			      &p->errors);
	}
	if (r < 0)
		return give_up(p, CTL_CANNOT);
	if (r > 0) {
		fflush(stdout);
		self_die_like(r);
	}
	verdict = probe_verdict(p->looks, p->n_looks, p->conf.require);
	if (p->options.is_nagios)
		probe_show_nagios(p->looks, p->n_looks, verdict);
	else
		probe_show(p->looks, p->n_looks, p->skips, p->n_skips);
	return status_of(p, verdict);
}

static int probe(struct probing *p, int argc, char **argv) {
	int r = take_nagios(p, &argc, argv);

	if (r == 0)
		r = check_words(p, argc, argv);
	if (r > 0) {
		arguments_help(&verb_probe);
		return CTL_WELL;
	}
	if (r == 0)
		r = configure(p, argc, argv);
	return r < 0 ? give_up(p, CTL_USAGE) : try(p);
}

static int run(int argc, char **argv) {
	struct probing *p = calloc(1, sizeof(*p));
	struct inherit inherit;
	int status;

	if (!p) {
		(void)usage_error(&verb_probe, "out of memory");
		return CTL_CANNOT;
	}
	/* Nothing of ours on 0 to 2 where they are closed. */
	(void)inherit_init(&inherit);
	p->errors = TEXT_OVER(p->reasons);
	config_kinds(&p->kinds);
	conf_init(&p->conf);
	status = probe(p, argc, argv);
	conf_done(&p->conf);
	free(p->looks);
	free(p->skips);
	free(p);
	return status;
}

const struct verb verb_probe = {
	.name = "probe",
	.words = "PROBE-OPTION...",
	.help = "Looks once, with the options and the verdicts of sdwd",
	.options = options,
	.takes_probes = true,
	.run = run,
};
