/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"
#include "base/text.h"

/*
 * The option engine: what a user can set stands in tables of struct opt; argv, the file, --help,
 * --dump-options and
 * --check all read these tables and nothing else.  A default is text and goes through the same
 * parser as the user's.
 */

struct opt;

/* A word of an enumerated option and its number. A table of them ends with a NULL word. */
struct opt_word {
	const char *word;
	int value;
};

/*
 * Reads @value into the field at @field of the option's struct. @field is valid before and after
 * (strings: the old value is freed). On error writes the reason, without the option's name, into
 * @error ("'0' is out of range (1-1000)"). Returns 0 or a negative errno.
 */
typedef int opt_parse_t(const struct opt *o, const char *value, void *field, struct text *error);

/*
 * Adds to @words (opt_add_word()) what @parse would read into a field like the one at @field
 * anywhere and at any time: without a file that may be gone, from another working folder.
 */
typedef void opt_write_t(const struct opt *o, const void *field, struct text *words);

enum {
	OPT_ARGUMENT_OPTIONAL =
		1 << 0, /* --name or --name=VALUE; else a value follows after '=' or as next word */
	OPT_REPEAT = 1 << 1,    /* each use adds to a list; else a second use is the last word */
	OPT_OWN_ONLY = 1 << 2,  /* a probe option that is an error before the first probe */
	OPT_ARGV_ONLY = 1 << 3, /* where to read, or what to do instead of running: not in a file */
};

struct opt {
	const char *name;     /* without dashes */
	const char *argument; /* "DURATION" for help; NULL: a flag, set true */
	const char *fallback; /* the default as text that @parse reads, or NULL: unset */
	const char *shown; /* the default as people should read it where it is computed ("W/5 ..."),
			      or NULL */
	const char *help;  /* one line */
	opt_parse_t *parse;
	opt_write_t *write; /* NULL: the value as it was given says all */
	size_t offset;      /* of the field in the struct that the table is for */
	uint64_t minimum, maximum;
	const struct opt_word *words;
	unsigned flags;
	unsigned modes; /* probe options: 1 << PROBE_PUSH etc., which probes know it; 0: not a probe
			   option */
};

/* A NULL-terminated (name NULL) table's option of that name, or NULL. @table may be NULL. */
const struct opt *opt_find(const struct opt *table, const char *name);

/* Enough for every text of opt_quoted(). */
#define OPT_QUOTED_MAX 128

/* @value for an error: in quotes, as one clean line, cut where it is long. Returns
 * @buffer. */
const char *opt_quoted(char buffer[static OPT_QUOTED_MAX], const char *value);

/* Adds "@name=@value", or "@name" where @value is NULL, and a NUL behind it. */
void opt_add_word(struct text *words, const char *name, const char *value);

/* The parsers. The field's type is said beside each. */
opt_parse_t opt_parse_flag;     /* bool; @value NULL or yes/no/true/false/1/0/on/off */
opt_parse_t opt_parse_duration; /* usec_t within minimum..maximum (maximum 0: no bound) */
opt_parse_t opt_parse_unsigned; /* unsigned within minimum..maximum */
opt_parse_t opt_parse_integer;  /* int within (int64_t)minimum..(int64_t)maximum */
opt_parse_t opt_parse_string;   /* char *, owned by the struct, not empty */
opt_parse_t opt_parse_word;     /* int, one of words */
opt_parse_t opt_parse_words;    /* unsigned, comma list, OR of 1 << value */
opt_parse_t opt_parse_signal;   /* int */
