/* SPDX-License-Identifier: MIT */
/* What a client of the control socket sends: any bytes, in any number of messages. */
#include "core/varlink.h"

#include "fuzz.h"

static void check_text(const char *text, size_t size) {
	size_t length = strnlen(text, size);

	must(length < size && text_is_utf8(text, length));
}

static void try_one(const char *data, size_t length) {
	/* An exact heap block: reading one byte too far is seen. */
	char *message = malloc(length ? length : 1);
	struct varlink_call c;

	must(message != NULL);
	memcpy(message, data, length);
	if (varlink_parse(&c, message, length) == 0) {
		must(c.method[0] != '\0' && c.n_parameters <= VARLINK_PARAMETERS_MAX);
		check_text(c.method, sizeof(c.method));
		for (size_t i = 0; i < c.n_parameters; i++) {
			const struct varlink_parameter *p = &c.parameters[i];

			check_text(p->name, sizeof(p->name));
			must(varlink_find(&c, p->name) == p);
			must(p->kind <= VARLINK_OTHER);
			if (p->kind == VARLINK_STRING)
				check_text(p->text, sizeof(p->text));
		}
		/* A second reading says the same. */
		must(varlink_parse(&c, message, length) == 0);
	}
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *at = (const char *)data;
	ptrdiff_t frame;

	while ((frame = varlink_frame(at, size)) >= 0) {
		must((size_t)frame < size && at[frame] == '\0');
		try_one(at, (size_t)frame);
		at += frame + 1;
		size -= (size_t)frame + 1;
	}
	if (size > 0)
		try_one(at, size);
	return 0;
}
