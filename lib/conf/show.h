/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/*
 * The values part of --check: each effective value and where it came from, one line each, in a
 * block for the service and one for each probe. @c went through conf_resolve(), which gave @w.
 */
void show_values(const struct conf *c, const struct conf_env *env, usec_t w, conf_line_t *on_line,
		 void *context);
