/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"

/*
 * The other half of --check: what happens when the service hangs, second by second, and which
 * settings defeat themselves or have no effect. @c is resolved; @w is W. Each line goes to
 * @on_line.
 */
void timeline_show(const struct conf *c, const struct conf_env *env, usec_t w, conf_line_t *on_line,
		   void *context);
