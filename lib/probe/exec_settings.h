/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/optab.h"
#include "base/pattern.h"
#include "sys/spawn.h"

/* So much of an output is kept and matched; the rest is read and thrown away. */
#define EXEC_OUTPUT_MAX 4096

/* What the options of one --exec say. */
struct exec_settings {
	struct spawn_command command;
	struct pattern *expect; /* NULL: whatever it says */
	int warn;               /* the exit code that is a warning; 0: none */
};

/* The table, name NULL at the end. */
extern const struct opt exec_options[];

/* As struct probe_kind has it: splits the command, and looks whether it can be executed. */
int exec_settings_check(const char *target, void *settings, struct text *error);
void exec_settings_done(void *settings);
