/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/*
 * Reads the @length bytes at @data, the text of the config file @name, into @c: before argv, which
 * comes on top. Options are those of the command line without dashes, and "command". Nothing is
 * kept of @data and @name. Every error is a line of its own in @errors, "file:line: ..."; '\n'
 * stands between them. After one, @c is only good for finding more (args_parse(), conf_resolve()).
 * Returns 0, -EINVAL, or -ENOMEM.
 */
int conf_file_parse(struct conf *c, const char *name, const char *data, size_t length,
		    const struct probe_kind *const *kinds, struct text *errors);
