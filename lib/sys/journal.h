/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/un.h>

#include "base/defs.h"
#include "base/log.h"

/*
 * Where the log goes, without ever blocking: native-protocol datagrams to journald, or text lines
 * on stderr by an open file description of our own (O_NONBLOCK there would hit the child's stderr).
 * What cannot be sent is counted and told with the next entry that can.
 */
struct journal {
	bool is_open;
	int fd;           /* own socket, or our own way to stderr, -1: none */
	bool is_native;   /* structured datagrams */
	bool is_terminal; /* the label instead of <N> prefixes */
	bool has_colour;
	bool is_socket;  /* text over a stream socket (journald's stdout stream): send(2) with
			    MSG_DONTWAIT */
	bool must_poll;  /* stderr could not be opened anew: its description may block */
	bool is_cut;     /* the last line has no end yet */
	bool has_prefix; /* <N> before each line */
	struct sockaddr_un address; /* is_native: journald's socket */
	unsigned long n_lost;
	int lost_error;    /* the errno of the last one */
	const char *label; /* SDWD_LABEL of every entry, borrowed, or NULL; set after opening */
	const char *identifier; /* SYSLOG_IDENTIFIER: "sdwd" */
};

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* The largest native entry; a field that no longer fits is left out of it. */
#define JOURNAL_ENTRY_MAX 8192

/*
 * Chooses: @want_journal forces the native protocol, @want_text forces text; neither: native where
 * JOURNAL_STREAM names our stderr (sd-daemon(3)), or it is a connection that is stdin too, and
 * journald is there, else text. Returns 0 or a negative errno (@want_journal and no journald).
 */
int journal_open(struct journal *j, bool want_journal, bool want_text);

/* The same with journald's socket at @path. */
int journal_open_at(struct journal *j, const char *path, bool want_journal, bool want_text);

/* The sink for log_set_sink(), with the journal as its context. */
log_sink_t journal_sink;

/*
 * Tells what was lost, where it can, and closes. Also on a zeroed or closed @j. Where it is native,
 * journald gets a tenth of a second to take the last words: not for the loop.
 */
void journal_close(struct journal *j);
