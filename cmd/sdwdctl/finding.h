/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf/conf.h"
#include "unit.h"

/* sdwdctl check: what in a unit defeats the watchdog, one line each. */

enum severity {
	NOTE,    /* something is not as it could be */
	WARNING, /* sometimes the watchdog will not do what it is for */
	SERIOUS, /* it will not work */
};

/* A unit being judged. */
struct findings {
	const struct unit *unit;
	const struct conf *conf; /* sdwd's options, in the unit or given; resolved */
	bool is_wrapped;         /* it runs sdwd: what wrap would write must be there */
	const char *prefixes;    /* of its command, as in struct exec_line */
	const char *sdwd;        /* its path, or that which wrap would write; NULL: there is none */
	const char *root;
	usec_t watchdog_usec; /* W; 0: none */
	unsigned count;
};

/* Prints one finding, and below it @line, what to write into the unit (NULL: there is no such). */
void found(struct findings *f, enum severity severity, const char *line, const char *format, ...)
	printf_like(4, 5);

/* What the unit says of restarts, signals and times (check_service.c). */
void check_service(struct findings *f);

/* What keeps sdwd or its probes from working (check_sandbox.c, check_filter.c). */
void check_sandbox(struct findings *f);
void check_filters(struct findings *f);

/* False for a command with "+": but for its root, nothing of a sandbox is for it
 * (systemd.service(5)). */
bool is_sandboxed(const struct findings *f);

/* True where one of the probes is of the kind @name. */
bool has_probe(const struct findings *f, const char *name);

/* True where @word is one of the list @name of the unit, which may be a list of what is allowed, or
 * with "~" of what is not (RestrictAddressFamilies=, SystemCallFilter=);
 * what is in @groups (NULL at the end) holds @word too. Allowed too where the list is not there. */
bool list_allows(const struct unit_settings *s, const char *name, const char *word,
		 const char *const *groups);
