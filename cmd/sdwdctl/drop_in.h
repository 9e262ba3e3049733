/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/text.h"
#include "sdwd_options.h"
#include "unit.h"

/*
 * The drop-in that puts a unit under sdwd.
 *
 * It is the last of the unit's drop-ins by its name: what it says of ExecStart= and Type= belongs
 * together, and an ExecStart= in an "override.conf", which systemctl edit(1) makes, would else take
 * half of it away, and leave a Type=notify service that never says that it is ready.
 */
#define DROP_IN_NAME "zz-sdwd.conf"
#define DROP_IN_FOLDER "/etc/systemd/system"
#define DROP_IN_SIZE_MAX 262144

/* What is asked for. All is borrowed. */
struct drop_in_wish {
	const struct words *options; /* sdwd's, as the user typed them */
	usec_t watchdog_usec;        /* 0: that of the unit, or the default */
	const char *sdwd;            /* where sdwd is, and its prober; within root */
	const char *prober;
	const char *root;
	bool is_folder_new; /* the drop-in's folder is not there yet */
};

/*
 * Writes the drop-in for @u into @t. @notes gets a line for each thing that the user may overlook.
 * Returns 0; -EPERM where @u cannot be put under sdwd, -EINVAL where options are wrong, both with
 * the reasons as lines in @errors; or -ENOMEM.
 */
int drop_in_make(const struct unit *u, const struct drop_in_wish *wish, struct text *t,
		 struct text *notes, struct text *errors);

/* What the text of a drop-in tells of where it comes from. */
enum drop_in_origin {
	DROP_IN_FOREIGN, /* not made here */
	DROP_IN_CHANGED, /* made here, and changed since */
	DROP_IN_OURS,
};

/* Reads the first line of @text. @ret_is_folder_ours (false for a foreign one): its folder was made
 * with it. */
enum drop_in_origin drop_in_origin(const char *text, bool *ret_is_folder_ours);

/* The path of @unit's drop-in into @path. Returns 0 or -ENAMETOOLONG. */
int drop_in_path(const char *unit, char *path, size_t size);
