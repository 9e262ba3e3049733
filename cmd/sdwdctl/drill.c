/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "tell.h"

struct settings {
	usec_t timeout_usec;
};

static const struct opt options[] = {
	{.name = "timeout",
	 .argument = "DURATION",
	 .fallback = CLIENT_TIMEOUT,
	 .help = "how long to wait for the answer",
	 .parse = opt_parse_duration,
	 .offset = offsetof(struct settings, timeout_usec),
	 .minimum = USEC_PER_MSEC,
	 .maximum = 60 * USEC_PER_MINUTE},
	{0},
};

static int run(int argc, char **argv);

const struct verb verb_drill = {
	.name = "drill",
	.words = "LABEL PROBE",
	.help = "Makes a probe count as failed, to see that the restart happens",
	.options = options,
	.run = run,
};

static int run(int argc, char **argv) {
	struct settings s = {0};
	char label[INSTANCE_LABEL_MAX], quoted[OPT_QUOTED_MAX];
	struct json_object *parameters;
	size_t n_words;
	int r = arguments_parse(&verb_drill, argc, argv, &s, &n_words);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	if (n_words != 2)
		return usage_error(&verb_drill, "%s; see sdwdctl status",
				   n_words < 2 ? "it needs a label and the name of a probe"
					       : "one label and one probe at a time");
	if (!text_is_utf8(argv[2], strlen(argv[2])))
		return usage_error(&verb_drill, "%s is no name of a probe",
				   opt_quoted(quoted, argv[2]));
	parameters = json_object_new_object();
	if (field_put(parameters, "probe", json_object_new_string(argv[2])))
		r = tell(&verb_drill, argv[1], "Drill", parameters, s.timeout_usec, label);
	else
		r = no_memory(&verb_drill);
	json_object_put(parameters);
	if (r == CTL_WELL)
		printf("%s: %s counts as failed until the service is restarted, or: sdwdctl resume "
		       "%s\n",
		       label, opt_quoted(quoted, argv[2]), label);
	return r;
}
