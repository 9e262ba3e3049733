/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/optab.h"

/*
 * What a probe that speaks TLS is told of certificates.  The files are PEM, must be readable at
 * start, and are read by the prober at each look: a renewed certificate needs no restart.
 */
struct tls_settings {
	char *ca;   /* absolute; NULL: the authorities that the system trusts */
	char *cert; /* absolute; NULL: none is shown */
	char *key;  /* absolute; NULL: it is in the file of @cert */
	bool is_insecure;
};

/* For option tables: the path of a file, kept absolute. The field is a char *, owned. */
opt_parse_t tls_parse_file;
opt_write_t tls_write_file;

/*
 * Checks what only all of them can tell. @prefix: how the options' names begin ("--http-").
 * @why_not: why there is no TLS here (", which ..."), or NULL where there is. Returns 0, or -EINVAL
 * with the reason in @error.
 */
int tls_settings_check(const struct tls_settings *s, const char *prefix, const char *why_not,
		       struct text *error);

/* Frees; works on zeroed ones. */
void tls_settings_done(struct tls_settings *s);
