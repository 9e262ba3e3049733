/* SPDX-License-Identifier: MIT */
#pragma once

/* The name of a folder of ours, as mkdtemp(3) wants it. */
#define NOTIFY_FOLDER "sdwd-XXXXXX"

/*
 * Removes from @place the folders of sockets for sd_notify whose sdwd, of our user, was killed: it
 * could not, and nobody else would.  Whatever else is there stays, and so does what may be in use.
 */
void notify_sweep(const char *place);
