/* SPDX-License-Identifier: MIT */
#include "app/config.h"

#include <stdlib.h>

#include "base/usec.h"
#include "base/whole_file.h"
#include "conf/file.h"
#include "probe/probe.h"

/* What no file of options will ever need. */
#define CONFIG_SIZE_MAX ((size_t)16 * 1024 * 1024)

void config_kinds(struct config_kinds *ret) {
	*ret = (struct config_kinds){0};
	for (size_t i = 0; probe_registry[i]; i++) {
		assert(i < CONFIG_KINDS_MAX);
		ret->list[i] = probe_registry[i]->kind;
	}
}

int config_read(struct conf *c, const char *path, const struct probe_kind *const *kinds,
		struct text *errors) {
	char reason[256], quoted[OPT_QUOTED_MAX];
	struct text why = TEXT_OVER(reason);
	char *data = NULL;
	size_t length;
	int r = whole_file_read(path, CONFIG_SIZE_MAX, WHOLE_FILE_PATIENCE, &data, &length, &why);

	if (r < 0)
		text_addf(errors, "--config: %s: %s", opt_quoted(quoted, path), reason);
	else
		r = conf_file_parse(c, path, data, length, kinds, errors);
	free(data);
	c->is_faulty |= r < 0;
	return r;
}
