/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/usec.h"
#include "fields.h"
#include "tell.h"

struct settings {
	usec_t for_usec; /* 0: until resume */
	usec_t timeout_usec;
};

#define TIMEOUT \
	{ \
		.name = "timeout", .argument = "DURATION", .fallback = CLIENT_TIMEOUT, \
		.help = "how long to wait for the answer", .parse = opt_parse_duration, \
		.offset = offsetof(struct settings, timeout_usec), .minimum = USEC_PER_MSEC, \
		.maximum = 60 * USEC_PER_MINUTE \
	}

static const struct opt pause_options[] = {
	{.name = "for",
	 .argument = "DURATION",
	 .shown = "until resume",
	 .help = "the pause ends by itself after this time",
	 .parse = opt_parse_duration,
	 .offset = offsetof(struct settings, for_usec),
	 .minimum = USEC_PER_MSEC,
	 .maximum = 52 * 7 * 24 * 60 * USEC_PER_MINUTE},
	TIMEOUT,
	{0},
};

static const struct opt resume_options[] = {
	TIMEOUT,
	{0},
};

static int run_pause(int argc, char **argv);
static int run_resume(int argc, char **argv);

const struct verb verb_pause = {
	.name = "pause",
	.words = "LABEL",
	.help = "Pauses supervision for maintenance: pings go on, whatever probes find",
	.options = pause_options,
	.run = run_pause,
};

const struct verb verb_resume = {
	.name = "resume",
	.words = "LABEL",
	.help = "Ends a pause and a drill; what failed until then is forgotten",
	.options = resume_options,
	.run = run_resume,
};

/* The options, and the one word. 0, or -EINVAL or 1 as arguments_parse(). */
static int parse(const struct verb *v, int argc, char **argv, struct settings *s) {
	size_t n_words;
	int r = arguments_parse(v, argc, argv, s, &n_words);

	if (r != 0 || n_words == 1)
		return r;
	usage_error(v, n_words == 0 ? "a label is missing; see sdwdctl status"
				    : "one label at a time");
	return -1;
}

static int run_pause(int argc, char **argv) {
	struct settings s = {0};
	char label[INSTANCE_LABEL_MAX], text[USEC_STR_MAX];
	struct json_object *parameters;
	int r = parse(&verb_pause, argc, argv, &s);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	parameters = json_object_new_object();
	/* Without it the pause would have no end. */
	if (s.for_usec > 0 &&
	    !field_put(parameters, "forUsec", json_object_new_int64((int64_t)s.for_usec)))
		r = no_memory(&verb_pause);
	else
		r = tell(&verb_pause, argv[1], "Pause", parameters, s.timeout_usec, label);
	json_object_put(parameters);
	if (r != CTL_WELL)
		return r;
	if (s.for_usec > 0)
		printf("%s: paused for %s\n", label, usec_str(text, s.for_usec));
	else
		printf("%s: paused until: sdwdctl resume %s\n", label, label);
	return CTL_WELL;
}

static int run_resume(int argc, char **argv) {
	struct settings s = {0};
	char label[INSTANCE_LABEL_MAX];
	int r = parse(&verb_resume, argc, argv, &s);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	r = tell(&verb_resume, argv[1], "Resume", NULL, s.timeout_usec, label);
	if (r == CTL_WELL)
		printf("%s: resumed\n", label);
	return r;
}
