/* SPDX-License-Identifier: MIT */
#include "probe/host_name.h"

#include <string.h>

/* RFC 1035 section 2.3.4; of the whole, without the dot behind it. */
#define NAME_MAX_LENGTH 253
#define LABEL_MAX_LENGTH 63

#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"

static bool is_label(const char *label, size_t length) {
	return length > 0 && length <= LABEL_MAX_LENGTH &&
	       strspn(label, HOST_NAME_CHARACTERS) >= length;
}

/* As inet_aton(3), which getaddrinfo(3) asks first, takes the parts of an address. */
static bool is_number(const char *label, size_t length) {
	if (length > 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
		return 2 + strspn(label + 2, HEX_DIGITS) >= length;
	return strspn(label, DIGITS) >= length;
}

bool host_name_is_valid(const char *host) {
	const char *label = host;

	for (;;) {
		size_t length = strcspn(label, ".");
		const char *end = label + length;

		if (!is_label(label, length))
			return false;
		if (*end == '\0' || end[1] == '\0')
			return !is_number(label, length) && end - host <= NAME_MAX_LENGTH;
		label = end + 1;
	}
}
