/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verb.h"

struct settings {
	char *textfile;
	int format;
	usec_t timeout_usec;
};

#define AT(member) .offset = offsetof(struct settings, member)

static const struct opt options[] = {
	{.name = "textfile",
	 .argument = "PATH",
	 .help = "write them to this file, as a whole and at once, for node_exporter",
	 .parse = opt_parse_string,
	 AT(textfile)},
	{.name = "format",
	 .argument = "prometheus|openmetrics",
	 .fallback = "prometheus",
	 .help = "what Prometheus and node_exporter read, or OpenMetrics 1.0",
	 .parse = opt_parse_word,
	 .words = (const struct opt_word[]){{"prometheus", METRICS_PROMETHEUS},
					    {"openmetrics", METRICS_OPENMETRICS},
					    {NULL, 0}},
	 AT(format)},
	{.name = "timeout",
	 .argument = "DURATION",
	 .fallback = CLIENT_TIMEOUT,
	 .help = "how long to wait for all answers together",
	 .parse = opt_parse_duration,
	 .minimum = USEC_PER_MSEC,
	 .maximum = 60 * USEC_PER_MINUTE,
	 AT(timeout_usec)},
	{0},
};

static int run(int argc, char **argv);

const struct verb verb_metrics = {
	.name = "metrics",
	.words = "",
	.help = "Prints metrics of all services for Prometheus",
	.options = options,
	.run = run,
};

static usec_t realtime_now(void) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

static int cannot(const char *where, const char *what, int error) {
	char clean[256];

	text_clean(clean, sizeof(clean), where, strlen(where));
	fprintf(stderr, "sdwdctl: metrics: %s%s%s: %s\n", clean, clean[0] ? ": " : "", what,
		strerror(-error));
	return CTL_CANNOT;
}

/* The whole text, malloc'ed; NULL: no memory. */
static char *text_of(const struct instances *all, enum metrics_format format, usec_t asked_at_usec,
		     size_t *ret_length) {
	struct metrics_subjects subjects = {0};
	char *data = NULL;
	FILE *out = open_memstream(&data, ret_length);
	bool is_whole;

	if (!out)
		return NULL;
	is_whole = metrics_subjects_choose(&subjects, all) == 0;
	if (is_whole)
		metrics_print(out, format, &subjects, asked_at_usec);
	metrics_subjects_done(&subjects);
	is_whole = !ferror(out) && is_whole;
	if (fclose(out) != 0 || !is_whole) {
		free(data);
		return NULL;
	}
	return data;
}

static int tell(const struct settings *s, const struct instances *all, usec_t asked_at_usec) {
	const char *what;
	size_t length;
	char *data = text_of(all, (enum metrics_format)s->format, asked_at_usec, &length);
	int r = 0;

	if (!data)
		return cannot("", "cannot make the text", -ENOMEM);
	if (s->textfile)
		r = metrics_replace_file(s->textfile, data, length, &what);
	else
		fwrite(data, 1, length, stdout);
	free(data);
	return r < 0 ? cannot(s->textfile, what, r) : CTL_WELL;
}

static int ask(const struct settings *s) {
	/* Their ages are of this moment: who answers, answers at once. */
	usec_t asked_at_usec = realtime_now();
	struct instances all;
	int r = instances_ask(&all, s->timeout_usec);

	if (r < 0)
		return cannot("", "cannot ask the instances", r);
	instances_complain(&all, verb_metrics.name, NULL);
	r = tell(s, &all, asked_at_usec);
	instances_done(&all);
	return r;
}

static int run(int argc, char **argv) {
	struct settings s = {0};
	size_t n_words;
	int r = arguments_parse(&verb_metrics, argc, argv, &s, &n_words);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	r = ask(&s);
	arguments_done(&verb_metrics, &s);
	return r;
}
