/* SPDX-License-Identifier: MIT */
#include "base/usec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	usec_t usec;
};

/* systemd.time(7), "Parsing Time Spans". A longer name stands before its own beginning. */
static const struct unit units[] = {
	{"seconds", USEC_PER_SEC},
	{"second", USEC_PER_SEC},
	{"sec", USEC_PER_SEC},
	{"s", USEC_PER_SEC},
	{"minutes", USEC_PER_MINUTE},
	{"minute", USEC_PER_MINUTE},
	{"min", USEC_PER_MINUTE},
	{"months", 2629800 * USEC_PER_SEC},
	{"month", 2629800 * USEC_PER_SEC},
	{"msec", USEC_PER_MSEC},
	{"ms", USEC_PER_MSEC},
	{"m", USEC_PER_MINUTE},
	{"M", 2629800 * USEC_PER_SEC},
	{"hours", 60 * USEC_PER_MINUTE},
	{"hour", 60 * USEC_PER_MINUTE},
	{"hr", 60 * USEC_PER_MINUTE},
	{"h", 60 * USEC_PER_MINUTE},
	{"days", 24 * 60 * USEC_PER_MINUTE},
	{"day", 24 * 60 * USEC_PER_MINUTE},
	{"d", 24 * 60 * USEC_PER_MINUTE},
	{"weeks", 7 * 24 * 60 * USEC_PER_MINUTE},
	{"week", 7 * 24 * 60 * USEC_PER_MINUTE},
	{"w", 7 * 24 * 60 * USEC_PER_MINUTE},
	{"years", 31557600 * USEC_PER_SEC},
	{"year", 31557600 * USEC_PER_SEC},
	{"y", 31557600 * USEC_PER_SEC},
	{"usec", 1},
	{"us", 1},
	{"\xc2\xb5s", 1},
	{"\xce\xbcs", 1},
};

usec_t usec_now(void) {
	struct timespec now;
	int r;

	r = clock_gettime(CLOCK_MONOTONIC, &now);
	assert(r == 0);
	(void)r;
	return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

usec_t usec_taken(void) {
	struct timespec taken;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &taken) != 0)
		return usec_now();
	return (usec_t)taken.tv_sec * USEC_PER_SEC + (usec_t)taken.tv_nsec / 1000;
}

usec_t usec_add(usec_t a, usec_t b) {
	usec_t sum;

	if (a == USEC_INFINITY || b == USEC_INFINITY || __builtin_add_overflow(a, b, &sum))
		return USEC_INFINITY;
	return sum;
}

usec_t usec_sub(usec_t a, usec_t b) {
	if (a == USEC_INFINITY)
		return USEC_INFINITY;
	return a > b ? a - b : 0;
}

usec_t usec_mul(usec_t a, uint64_t n) {
	usec_t product;

	if (a == USEC_INFINITY || __builtin_mul_overflow(a, n, &product))
		return USEC_INFINITY;
	return product;
}

static const char *skip_blanks(const char *p) {
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

static const struct unit *unit_find(const char *p) {
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(p, units[i].name, n) == 0 && !isalpha((unsigned char)p[n]))
			return &units[i];
	}
	return NULL;
}

/* Reads the digits at *@p into a number; -ENOENT where there are none. */
static int read_digits(const char **p, uint64_t *ret_number, uint64_t *ret_scale) {
	uint64_t number = 0, scale = 1;
	const char *start = *p;

	for (; isdigit((unsigned char)**p); (*p)++) {
		/* The seventh digit behind a point is below what any unit above a second can show.
		 */
		if (ret_scale && scale >= 1000000000)
			continue;
		if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(**p - '0'), &number))
			return -ERANGE;
		scale *= 10;
	}
	if (*p == start)
		return -ENOENT;
	*ret_number = number;
	if (ret_scale)
		*ret_scale = scale;
	return 0;
}

/* @usec * @part / @scale, for @part < @scale <= 1000000000: no product here needs more than 64
 * bits, and 32-bit compilers have no wider type. */
static usec_t part_of(usec_t usec, uint64_t part, uint64_t scale) {
	return usec / scale * part + usec % scale * part / scale;
}

int usec_parse(const char *text, usec_t *ret_usec) {
	usec_t total = 0;
	const char *p = skip_blanks(text);

	if (strncmp(p, "infinity", 8) == 0 && *skip_blanks(p + 8) == '\0') {
		*ret_usec = USEC_INFINITY;
		return 0;
	}
	if (*p == '\0')
		return -EINVAL;

	while (*p != '\0') {
		uint64_t whole = 0, part = 0, scale = 1;
		const struct unit *unit;
		const char *behind;
		bool has_digits;
		usec_t usec;
		int r;

		r = read_digits(&p, &whole, NULL);
		if (r == -ERANGE)
			return r;
		has_digits = r == 0;
		if (*p == '.') {
			p++;
			r = read_digits(&p, &part, &scale);
			if (r < 0)
				return -EINVAL;
			has_digits = true;
		}
		if (!has_digits)
			return -EINVAL;

		behind = p;
		p = skip_blanks(p);
		unit = unit_find(p);
		if (unit)
			p += strlen(unit->name);
		/* Another number: "12.34 .56" are two, "12.34.56" is none. */
		else if (*p != '\0' && !isdigit((unsigned char)*p) && (*p != '.' || p == behind))
			return -EINVAL;

		usec = usec_mul(unit ? unit->usec : USEC_PER_SEC, whole);
		usec = usec_add(usec, part_of(unit ? unit->usec : USEC_PER_SEC, part, scale));
		total = usec_add(total, usec);
		if (total == USEC_INFINITY)
			return -ERANGE;
		p = skip_blanks(p);
	}
	*ret_usec = total;
	return 0;
}

const char *usec_str(char buffer[static USEC_STR_MAX], usec_t usec) {
	static const struct unit shown[] = {
		{"w", 7 * 24 * 60 * USEC_PER_MINUTE},
		{"d", 24 * 60 * USEC_PER_MINUTE},
		{"h", 60 * USEC_PER_MINUTE},
		{"min", USEC_PER_MINUTE},
		{"s", USEC_PER_SEC},
		{"ms", USEC_PER_MSEC},
		{"us", 1},
	};
	size_t length = 0;

	if (usec == USEC_INFINITY)
		return strcpy(buffer, "infinity");
	if (usec == 0)
		return strcpy(buffer, "0");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		usec_t n = usec / shown[i].usec;

		if (n == 0)
			continue;
		length +=
			(size_t)snprintf(buffer + length, USEC_STR_MAX - length, "%s%" PRIu64 "%s",
					 length > 0 ? " " : "", n, shown[i].name);
		usec %= shown[i].usec;
	}
	return buffer;
}

const char *usec_str_short(char buffer[static USEC_STR_MAX], usec_t usec) {
	if (usec >= USEC_PER_MINUTE && usec != USEC_INFINITY) {
		/* Whole seconds below an hour, whole minutes below a day, whole hours above. */
		usec_t grain = usec < 60 * USEC_PER_MINUTE        ? USEC_PER_SEC
			       : usec < 24 * 60 * USEC_PER_MINUTE ? USEC_PER_MINUTE
								  : 60 * USEC_PER_MINUTE;

		return usec_str(buffer, usec / grain * grain);
	}
	if (usec >= USEC_PER_SEC && usec != USEC_INFINITY && usec % USEC_PER_SEC != 0) {
		snprintf(buffer, USEC_STR_MAX, "%" PRIu64 ".%" PRIu64 "s", usec / USEC_PER_SEC,
			 usec % USEC_PER_SEC / (USEC_PER_SEC / 10));
		return buffer;
	}
	if (usec >= USEC_PER_MSEC && usec < USEC_PER_SEC)
		usec = usec / USEC_PER_MSEC * USEC_PER_MSEC;
	return usec_str(buffer, usec);
}
