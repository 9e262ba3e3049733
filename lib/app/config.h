/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "conf/conf.h"

/* How sdwd and sdwdctl come to what the operator asked for. */

#define CONFIG_KINDS_MAX 32

/* All kinds of probes, as conf_set() and others take them: @list. */
struct config_kinds {
	const struct probe_kind *list[CONFIG_KINDS_MAX + 1];
};

/* Fills *@ret from the registry. */
void config_kinds(struct config_kinds *ret);

/*
 * Reads the config file @path into @c, before argv is. Its errors are added to @errors as
 * conf_file_parse() adds them, and make @c faulty. Returns 0 or a negative errno.
 */
int config_read(struct conf *c, const char *path, const struct probe_kind *const *kinds,
		struct text *errors);
