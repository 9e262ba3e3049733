/* SPDX-License-Identifier: MIT */
#include "conf/args.h"
#include "conf/file.h"

#include "fuzz.h"

#define NAME "x.conf"

/* One kind of each shape, none of which reads anything. */
static const struct opt pull_options[] = {
	{.name = "pull-status",
	 .argument = "N",
	 .fallback = "200",
	 .parse = opt_parse_unsigned,
	 .minimum = 100,
	 .maximum = 999,
	 .help = "x"},
	{NULL},
};
static const struct probe_kind pull = {.name = "pull",
				       .argument = "URL",
				       .help = "x",
				       .mode = PROBE_PULL,
				       .options = pull_options,
				       .settings_size = sizeof(unsigned)};
static const struct probe_kind push = {.name = "push",
				       .argument = "FD",
				       .argument_is_optional = true,
				       .help = "x",
				       .mode = PROBE_PUSH};
static const struct probe_kind state = {.name = "state", .help = "x", .mode = PROBE_STATE};
static const struct probe_kind *const kinds[] = {&pull, &push, &state, NULL};

/* Each error is a line of its own that begins with a place in the file, and is fit for a terminal.
 */
static void check_errors(const struct text *errors, unsigned n_lines) {
	for (const char *p = errors->data; *p != '\0';) {
		size_t length = strcspn(p, "\n");
		unsigned line;
		int n = 0;

		must(length > 0);
		for (size_t i = 0; i < length; i++)
			must((unsigned char)p[i] >= 0x20 && p[i] != 0x7f);
		/* The last one may be cut. */
		if (!errors->is_cut || p[length] != '\0') {
			must(sscanf(p, NAME ":%u: %n", &line, &n) == 1 && n > 0);
			must(line >= 1 && line <= n_lines);
		}
		p += length;
		must(*p == '\0' || p[1] != '\0' || errors->is_cut);
		p += *p == '\n';
	}
	must(text_is_utf8(errors->data, errors->length));
}

static int parse(struct conf *c, struct text *errors, const char *data, size_t size) {
	int r;

	conf_init(c);
	r = conf_file_parse(c, NAME, data, size, kinds, errors);
	must(r == 0 || r == -22);
	must((r < 0) == (errors->length > 0) && c->is_faulty == (r < 0));
	return r;
}

/* With a carriage return in front of each line's end; @copy has room for twice the text. */
static size_t add_returns(char *copy, const char *data, size_t size) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n')
			copy[n++] = '\r';
		copy[n++] = data[i];
	}
	return n;
}

static void compare_strings(const char *a, const char *b) {
	must(!a == !b && (!a || strcmp(a, b) == 0));
}

static void compare(const struct conf *a, const struct conf *b) {
	must(a->given.n_items == b->given.n_items && a->n_probes == b->n_probes);
	for (size_t i = 0; i < a->given.n_items; i++) {
		compare_strings(a->given.items[i].value, b->given.items[i].value);
		must(a->given.items[i].origin.line == b->given.items[i].origin.line);
	}
	for (size_t i = 0; i < a->n_probes; i++)
		compare_strings(a->probes[i]->target, b->probes[i]->target);
	must(!a->command == !b->command);
	for (size_t i = 0; a->command; i++) {
		compare_strings(a->command[i], b->command[i]);
		if (!a->command[i])
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static char first_buffer[8192], second_buffer[8192], more_buffer[8192];
	struct text first = TEXT_OVER(first_buffer), second = TEXT_OVER(second_buffer),
		    more = TEXT_OVER(more_buffer);
	const char *text = (const char *)data;
	char *argv[] = {(char *)"sdwd", (char *)"--pull=a", (char *)"--fall=2", NULL};
	char *returns = malloc(2 * size + 1);
	unsigned n_lines = 1;
	struct conf a, b;
	size_t length;
	usec_t w;
	int r;

	must(returns);
	for (size_t i = 0; i < size; i++)
		n_lines += text[i] == '\n';
	r = parse(&a, &first, text, size);
	check_errors(&first, n_lines);

	/* Line ends of elsewhere say the same. */
	length = add_returns(returns, text, size);
	must(parse(&b, &second, returns, length) == r);
	must(strcmp(first.data, second.data) == 0);
	compare(&a, &b);

	/* What follows works on whatever is left after errors. */
	must(args_parse(&a, 3, argv, kinds, &more) == 0);
	must(a.probes[a.n_probes - 1]->fall == 2);
	must(conf_resolve(&a, &(struct conf_env){0}, &w, &more) == 0 || more.length > 0 || r < 0);
	conf_done(&a);
	conf_done(&b);
	free(returns);
	return 0;
}
