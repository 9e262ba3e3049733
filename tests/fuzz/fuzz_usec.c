/* SPDX-License-Identifier: MIT */
/*
 * One duration or two, a NUL between them. What is read is written, and read again the same; two in
 * a row are their sum; the larger one stays the larger one.
 */
#include <errno.h>

#include "base/usec.h"

#include "fuzz.h"

static int parse(const char *text, usec_t *ret) {
	usec_t usec = 42;
	int r = usec_parse(text, &usec);

	must(r == 0 || r == -EINVAL || r == -ERANGE);
	must(r == 0 || usec == 42);
	*ret = usec;
	return r;
}

/* What is left out for people: at most the last unit that is shown. */
static usec_t grain(usec_t usec) {
	return usec < USEC_PER_MSEC            ? 1
	       : usec < USEC_PER_SEC           ? USEC_PER_MSEC
	       : usec < USEC_PER_MINUTE        ? USEC_PER_SEC / 10
	       : usec < 60 * USEC_PER_MINUTE   ? USEC_PER_SEC
	       : usec < 1440 * USEC_PER_MINUTE ? USEC_PER_MINUTE
					       : 60 * USEC_PER_MINUTE;
}

static void check_written(usec_t usec) {
	char text[USEC_STR_MAX];
	usec_t again;

	must(usec_str(text, usec) == text);
	fuzz_check_line(text);
	must(parse(text, &again) == 0 && again == usec);

	must(usec_str_short(text, usec) == text);
	fuzz_check_line(text);
	must(parse(text, &again) == 0);
	must(usec == USEC_INFINITY ? again == usec : again <= usec && usec - again < grain(usec));
}

static usec_t sum_of(usec_t a, usec_t b) {
	return b > USEC_INFINITY - a ? USEC_INFINITY : a + b;
}

static usec_t product_of(usec_t a, usec_t b) {
	return a == USEC_INFINITY || (a > 0 && b > USEC_INFINITY / a) ? USEC_INFINITY : a * b;
}

static void check_arithmetic(usec_t a, usec_t b) {
	bool has_end = a != USEC_INFINITY;

	must(usec_add(a, b) == sum_of(a, b));
	must(usec_add(a, b) == usec_add(b, a));
	must(usec_mul(a, b) == product_of(a, b));
	must(usec_sub(a, b) == (!has_end ? USEC_INFINITY : a > b ? a - b : 0));
}

/* @first, a blank, @second: as long as both. */
static void check_sum(const char *first, usec_t a, const char *second, usec_t b) {
	size_t size = strlen(first) + strlen(second) + 2;
	char *both = malloc(size);
	usec_t sum;
	int r;

	must(both);
	snprintf(both, size, "%s %s", first, second);
	r = parse(both, &sum);
	if (usec_add(a, b) == USEC_INFINITY)
		must(r == -ERANGE);
	else
		must(r == 0 && sum == a + b);
	free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *first = fuzz_text(data, size), *second;
	size_t length = strlen(first);
	usec_t a, b;
	int r = parse(first, &a), s;

	second = length < size ? fuzz_text(data + length + 1, size - length - 1) : fuzz_text("", 0);
	s = parse(second, &b);
	if (r == 0)
		check_written(a);
	if (r == 0 && s == 0)
		check_arithmetic(a, b);
	if (r == 0 && s == 0 && a != USEC_INFINITY && b != USEC_INFINITY)
		check_sum(first, a, second, b);
	free(first);
	free(second);

	/* The same bytes as numbers. */
	if (size >= 2 * sizeof(a)) {
		memcpy(&a, data, sizeof(a));
		memcpy(&b, data + sizeof(a), sizeof(b));
		check_written(a);
		check_arithmetic(a, b);
	}
	return 0;
}
