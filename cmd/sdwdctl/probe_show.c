/* SPDX-License-Identifier: MIT */
/*
 * What was found, for people and for Nagios and its kin.  For those the rules are the "Monitoring
 * Plugins Development Guidelines": one line, "|" between the text and the performance data, and
 * 'label'=value[UOM];[warn];[crit];[min];[max] of each; "U" is a value that could not be measured.
 */
#include "probe_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/usec.h"

/* More of a name or a tag does not shift the columns behind it. */
#define COLUMN_MAX 24

static unsigned badness(enum verdict verdict) {
	static const unsigned table[VERDICT_MAX] = {
		[VERDICT_PASS] = 0,
		[VERDICT_WARN] = 1,
		[VERDICT_UNKNOWN] = 2,
		[VERDICT_FAIL] = 3,
	};

	assert(verdict < VERDICT_MAX);
	return table[verdict];
}

enum verdict probe_verdict(const struct trial_look *looks, size_t n_looks, int require) {
	static const enum verdict order[] = {VERDICT_PASS, VERDICT_WARN, VERDICT_UNKNOWN,
					     VERDICT_FAIL};
	size_t counts[VERDICT_MAX] = {0}, n = 0;

	for (size_t i = 0; i < n_looks; i++)
		if (!looks[i].conf->is_optional) {
			counts[looks[i].outcome.verdict]++;
			n++;
		}
	if (require > 0)
		n = MIN(n, (size_t)require);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (n <= counts[order[i]])
			return order[i];
		n -= counts[order[i]];
	}
	return VERDICT_FAIL;
}

static void widen(int *width, const char *text) {
	size_t length = strlen(text);

	if (length <= COLUMN_MAX)
		*width = MAX(*width, (int)length);
}

void probe_show(const struct trial_look *looks, size_t n_looks, const struct probe_skip *skips,
		size_t n_skips) {
	int names = 0, causes = 0, times = 0;
	char latency[USEC_STR_MAX];

	for (size_t i = 0; i < n_looks; i++) {
		widen(&names, looks[i].conf->name);
		widen(&causes, cause_str(looks[i].outcome.cause));
		widen(&times, usec_str_short(latency, looks[i].outcome.latency_usec));
	}
	for (size_t i = 0; i < n_skips; i++)
		widen(&names, skips[i].conf->name);
	for (size_t i = 0; i < n_looks; i++) {
		const struct outcome *o = &looks[i].outcome;

		printf("%-*s  %-7s  %-*s  %*s  %s%s\n", names, looks[i].conf->name,
		       verdict_str(o->verdict), causes, cause_str(o->cause), times,
		       usec_str_short(latency, o->latency_usec), o->text,
		       looks[i].conf->is_optional ? " (optional)" : "");
	}
	for (size_t i = 0; i < n_skips; i++)
		printf("%-*s  skipped  %-*s  %*s  cannot be tried alone: %s\n", names,
		       skips[i].conf->name, causes, "-", times, "-", skips[i].reason);
}

/* Nagios ------------------------------------------------------------------------------------- */

/* A bar would begin the performance data. */
static void put_text(const char *text) {
	for (; *text != '\0'; text++)
		putchar(*text == '|' ? '/' : *text);
}

static void put_look(const struct trial_look *l, const char *before) {
	const struct outcome *o = &l->outcome;
	char latency[USEC_STR_MAX];

	fputs(before, stdout);
	put_text(l->conf->name);
	fputs(": ", stdout);
	put_text(o->text);
	if (o->verdict == VERDICT_PASS || o->verdict == VERDICT_WARN)
		printf(" in %s", usec_str_short(latency, o->latency_usec));
	else
		printf(" (%s)", cause_str(o->cause));
	if (l->conf->is_optional)
		fputs(" (optional)", stdout);
}

/* A label has neither "=" nor "'", and needs quotes where it has blanks. */
static void put_value(const struct trial_look *l) {
	const char *name = l->conf->name, *quote = strchr(name, ' ') ? "'" : "";
	usec_t latency = l->outcome.latency_usec;

	printf(" %s", quote);
	for (; *name != '\0'; name++)
		putchar(strchr("='|", *name) ? '_' : *name);
	printf("%s=", quote);
	if (l->outcome.verdict == VERDICT_UNKNOWN)
		putchar('U');
	else
		printf("%" PRIu64 ".%06" PRIu64 "s", latency / USEC_PER_SEC,
		       latency % USEC_PER_SEC);
	fputs(";;;0", stdout);
}

static const char *status_word(enum verdict verdict) {
	static const char *const words[VERDICT_MAX] = {
		[VERDICT_PASS] = "OK",
		[VERDICT_WARN] = "WARNING",
		[VERDICT_FAIL] = "CRITICAL",
		[VERDICT_UNKNOWN] = "UNKNOWN",
	};

	return words[verdict];
}

void probe_show_nagios(const struct trial_look *looks, size_t n_looks, enum verdict verdict) {
	const char *before = " - ";

	printf("SDWD %s", status_word(verdict));
	/* What matters first: a pager cuts the rest. */
	for (int is_optional = 0; is_optional < 2; is_optional++)
		for (int bad = (int)badness(VERDICT_FAIL); bad >= 0; bad--)
			for (size_t i = 0; i < n_looks; i++)
				if (looks[i].conf->is_optional == is_optional &&
				    badness(looks[i].outcome.verdict) == (unsigned)bad) {
					put_look(&looks[i], before);
					before = ", ";
				}
	fputs(" |", stdout);
	for (size_t i = 0; i < n_looks; i++)
		put_value(&looks[i]);
	putchar('\n');
}

void probe_show_nagios_error(const char *reason) {
	printf("SDWD %s - ", status_word(VERDICT_UNKNOWN));
	for (; *reason != '\0'; reason++) {
		if (*reason == '\n')
			fputs("; ", stdout);
		else
			putchar(*reason == '|' ? '/' : *reason);
	}
	putchar('\n');
}
