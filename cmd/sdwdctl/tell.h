/* SPDX-License-Identifier: MIT */
#pragma once

#include "client.h"
#include "verb.h"

/*
 * Finds the one instance that @label means and calls @method ("Pause") of sdwd.Supervisor with
 * @parameters (borrowed). What goes wrong is told in one line on stderr.  Returns the exit status;
 * with CTL_WELL @ret_label has the instance's label.
 */
int tell(const struct verb *v, const char *label, const char *method,
	 struct json_object *parameters, usec_t timeout_usec,
	 char ret_label[static INSTANCE_LABEL_MAX]);
