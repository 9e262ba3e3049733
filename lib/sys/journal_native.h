/* SPDX-License-Identifier: MIT */
#pragma once

#include "sys/journal.h"

/* A socket of our own for @path, where journald listens. Returns 0 or a negative errno. */
int journal_native_open(struct journal *j, const char *path);

/* Sends @entry as one datagram, never blocking. Returns 0 or a negative errno. */
int journal_native_send(struct journal *j, const struct log_entry *entry);
