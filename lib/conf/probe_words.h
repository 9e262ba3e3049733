/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/*
 * One probe as words, so that another process makes the same one by the same tables and parsers:
 * the kind's name, the target ("" for none), then the timeout and the kind's own options as "name"
 * or "name=value"; a NUL behind each word.
 */

/*
 * Adds the words of @p, after conf_resolve(). Files are not needed again, and paths are absolute
 * (struct opt: write). Returns 0, or -EMSGSIZE where they do not fit into @words.
 */
int probe_conf_write(const struct probe_conf *p, struct text *words);

/*
 * Makes a probe from its words, checked by its kind, one of @kinds; *@ret is the caller's
 * (probe_conf_free()). Returns 0, or a negative errno with the reason in @error.
 */
int probe_conf_read(const char *words, size_t length, const struct probe_kind *const *kinds,
		    struct probe_conf **ret, struct text *error);
