/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/* The parts that conf.c and set.c build on. */

/* Parses the fallbacks of @table into the struct at @base; @kind not NULL: of the options that it
 * knows. Returns 0 or -ENOMEM. */
int conf_set_fallbacks(const struct opt *table, void *base, const struct probe_kind *kind);

/* A probe with the defaults of its kind, or NULL (out of memory). Freed by probe_conf_free(). */
struct probe_conf *probe_conf_new(const struct probe_kind *kind);
void probe_conf_free(struct probe_conf *p);
void probe_conf_freep(struct probe_conf **p);

/* Adds the use of @name; where @o does not repeat (NULL: neither) it replaces an earlier use. @name
 * is static, @value is copied. Returns 0 or -ENOMEM. */
int givens_add(struct conf_givens *given, const struct opt *o, const char *name, const char *value,
	       const struct origin *origin, bool is_default);
void givens_done(struct conf_givens *given);

/* The kind whose own option @name is, or NULL. */
const struct probe_kind *conf_find_kind(const char *name, const struct probe_kind *const *kinds);

/* The first kind that knows the probe option @name, or NULL. */
const struct probe_kind *conf_find_knower(const char *name, const struct probe_kind *const *kinds);

/* What @o wants behind its name. */
enum conf_argument conf_option_argument(const struct opt *o);
