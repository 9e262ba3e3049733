/* SPDX-License-Identifier: MIT */
/*
 * A command line: the first byte is the surroundings (bit 0 NOTIFY_SOCKET, bit 1 a watchdog, bit 2
 * a unit), the rest are its words, a NUL behind each. What is wrong is one clean line. What is
 * right is written again, as a command line and as a file, and read again the same; and each probe
 * as the words for the prober.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "base/usec.h"
#include "base/whole_file.h"
#include "conf/args.h"
#include "conf/file.h"
#include "conf/probe_conf.h"
#include "conf/probe_words.h"
#include "conf/show.h"
#include "probe/probe.h"

#include "fuzz.h"

#define WORDS_MAX 64
#define KINDS_MAX 32
#define TEXT_SIZE 262144

/* No file of the machine is read: "@FILE" says what stands in its own name. */
int __wrap_whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
			   size_t *ret_length, struct text *error);
int __wrap_open(const char *path, int flags, ...);

int __wrap_whole_file_read(const char *path, size_t limit, usec_t patience_usec, char **ret_data,
			   size_t *ret_length, struct text *error) {
	if (strcmp(path, "gone") == 0 || strlen(path) > limit) {
		text_add(error, strerror(ENOENT));
		return -ENOENT;
	}
	*ret_data = fuzz_text(path, strlen(path));
	*ret_length = strlen(path);
	return 0;
}

int __wrap_open(const char *path, int flags, ...) {
	errno = ENOENT;
	return -1;
}

static const struct probe_kind *const *all_kinds(void) {
	static const struct probe_kind *kinds[KINDS_MAX + 1];

	for (size_t i = 0; probe_registry[i]; i++) {
		must(i < KINDS_MAX);
		kinds[i] = probe_registry[i]->kind;
	}
	return kinds;
}

static struct conf_env surroundings(uint8_t flags) {
	return (struct conf_env){
		.has_notify_socket = flags & 1,
		.watchdog_usec = flags & 2 ? 30 * USEC_PER_SEC : 0,
		.unit = flags & 4 ? "web.service" : NULL,
	};
}

/* @conf and what --check says of it, or only @errors. */
struct result {
	struct conf conf;
	int r;
	struct text errors, shown;
	char error_buffer[8192], shown_buffer[TEXT_SIZE];
};

static void add_line(void *context, const char *line) {
	struct text *shown = context;

	/* Tabs make columns. */
	for (const char *p = line; *p != '\0'; p += strcspn(p, "\t"), p += *p == '\t')
		must(fuzz_is_clean(p, strcspn(p, "\t")));
	text_add(shown, line);
	text_add(shown, "\n");
}

static void check_errors(const struct result *result, bool may_be_many) {
	const char *p = result->errors.data;

	must((result->r < 0) == (result->errors.length > 0));
	must(result->r == 0 || result->r == -EINVAL);
	while (*p != '\0') {
		size_t n = strcspn(p, "\n");

		must(n > 0 && fuzz_is_clean(p, n));
		must(p[n] == '\0' || (may_be_many && p[n + 1] != '\0'));
		p += n + (p[n] == '\n');
	}
}

static void init(struct result *result) {
	result->errors = TEXT_OVER(result->error_buffer);
	result->shown = TEXT_OVER(result->shown_buffer);
	conf_init(&result->conf);
}

static void resolve(struct result *result, uint8_t flags) {
	struct conf_env env = surroundings(flags);
	usec_t w = 0;

	if (result->conf.do_help || result->conf.do_version || result->conf.do_dump_options)
		return;
	result->r = conf_resolve(&result->conf, &env, &w, &result->errors);
	check_errors(result, true);
	if (result->r == 0)
		show_values(&result->conf, &env, w, add_line, &result->shown);
}

static void read_words(struct result *result, int argc, char **argv, uint8_t flags) {
	init(result);
	result->r = args_parse(&result->conf, argc, argv, all_kinds(), &result->errors);
	check_errors(result, false);
	if (result->r == 0)
		resolve(result, flags);
}

static void read_file(struct result *result, const struct text *file, uint8_t flags) {
	char *exact = fuzz_bytes(file->data, file->length);

	init(result);
	result->r = conf_file_parse(&result->conf, "f", exact, file->length, all_kinds(),
				    &result->errors);
	check_errors(result, true);
	must(result->r == 0);
	resolve(result, flags);
	free(exact);
}

/* All that was given, in an order that means the same. */
struct givens {
	const struct conf_given *list[4 * WORDS_MAX];
	size_t n;
};

static void add_givens(struct givens *all, const struct conf_givens *some, bool are_defaults) {
	for (size_t i = 0; i < some->n_items; i++) {
		if (some->items[i].is_default && !are_defaults)
			continue;
		must(all->n < ARRAY_SIZE(all->list));
		all->list[all->n++] = &some->items[i];
	}
}

static void collect(struct givens *all, const struct conf *c) {
	*all = (struct givens){0};
	add_givens(all, &c->defaults, true);
	add_givens(all, &c->given, true);
	for (size_t i = 0; i < c->n_probes; i++)
		add_givens(all, &c->probes[i]->given, false);
}

static bool is_on_argv_only(const struct givens *all) {
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i]->option && all->list[i]->option->flags & OPT_ARGV_ONLY)
			return true;
	return false;
}

/* As a command line ---------------------------------------------------------------------------- */

static void check_as_words(const struct result *first, const struct givens *all, uint8_t flags) {
	static struct result again;
	char *argv[6 * WORDS_MAX] = {(char *)"sdwd"}, *words[ARRAY_SIZE(all->list)];
	int argc = 1;

	for (size_t i = 0; i < all->n; i++) {
		const struct conf_given *g = all->list[i];

		must(asprintf(&words[i], "--%s%s%s", g->name, g->value ? "=" : "",
			      g->value ? g->value : "") > 0);
		argv[argc++] = words[i];
	}
	argv[argc++] = (char *)"--";
	for (char **word = first->conf.command; word && *word; word++) {
		must(argc + 1 < (int)ARRAY_SIZE(argv));
		argv[argc++] = *word;
	}
	read_words(&again, argc, argv, flags);
	must(again.r == first->r && strcmp(again.errors.data, first->errors.data) == 0);
	must(strcmp(again.shown.data, first->shown.data) == 0);
	conf_done(&again.conf);
	for (size_t i = 0; i < all->n; i++)
		free(words[i]);
}

/* As a file ------------------------------------------------------------------------------------ */

/* True where a line of a file can say @value. */
static bool fits_in_line(const char *value) {
	size_t length = strlen(value);

	return length == 0 || (!strchr(value, '\n') && !strchr(" \t\r", value[0]) &&
			       !strchr(" \t\r\\", value[length - 1]));
}

static bool write_file(struct text *file, const struct givens *all, const struct conf *c) {
	for (size_t i = 0; i < all->n; i++) {
		const struct conf_given *g = all->list[i];

		if (g->value && !fits_in_line(g->value))
			return false;
		text_add(file, g->name);
		text_add(file, g->value ? " = " : "");
		text_add(file, g->value ? g->value : "");
		text_add(file, "\n");
	}
	text_add(file, "command =");
	for (char **word = c->command; *word; word++) {
		text_add(file, " '");
		for (const char *p = *word; *p != '\0'; p++) {
			if (*p == '\n')
				return false;
			text_add_bytes(file, *p == '\'' ? "'\\''" : p, *p == '\'' ? 4 : 1);
		}
		text_add(file, "'");
	}
	return !file->is_cut;
}

/* Takes what tells where a value came from off the lines of @text, and the blanks in front of it.
 */
static void forget_origins(char *text) {
	static const char *const behind = " before the first probe";
	char *to = text;

	while (*text != '\0') {
		size_t n = strcspn(text, "\n"), length = n;
		const char *paren;

		if (length > strlen(behind) &&
		    memcmp(text + length - strlen(behind), behind, strlen(behind)) == 0)
			length -= strlen(behind);
		paren = length > 0 && text[length - 1] == ')' ? memrchr(text, '(', length) : NULL;
		if (paren &&
		    (strncmp(paren, "(f:", 3) == 0 || strncmp(paren, "(command line)", 14) == 0)) {
			length = (size_t)(paren - text);
			while (length > 0 && text[length - 1] == ' ')
				length--;
		}
		memmove(to, text, length);
		to += length;
		*to++ = '\n';
		text += n + (text[n] == '\n');
	}
	*to = '\0';
}

static void check_as_file(struct result *first, const struct givens *all, uint8_t flags) {
	static struct result again;
	static char buffer[TEXT_SIZE];
	struct text file = TEXT_OVER(buffer);

	if (!write_file(&file, all, &first->conf))
		return;
	read_file(&again, &file, flags);
	must(again.r == 0);
	forget_origins(first->shown.data);
	forget_origins(again.shown.data);
	must(strcmp(again.shown.data, first->shown.data) == 0);
	conf_done(&again.conf);
}

/* For the prober ------------------------------------------------------------------------------- */

static void check_probe(const struct probe_conf *p) {
	static char first_buffer[TEXT_SIZE], second_buffer[TEXT_SIZE];
	struct text first = TEXT_OVER(first_buffer), second = TEXT_OVER(second_buffer);
	struct probe_conf *again = NULL;
	char reason[1024], *exact;
	struct text error = TEXT_OVER(reason);

	/* Not all is for the prober, and what it gets is written by sdwd alone. */
	if (!conf_needs_prober(p) || probe_conf_write(p, &first) < 0)
		return;
	exact = fuzz_bytes(first.data, first.length);
	must(probe_conf_read(exact, first.length, all_kinds(), &again, &error) == 0);
	free(exact);
	must(again->kind == p->kind && again->timeout_usec == p->timeout_usec);
	must(!again->target == !p->target && (!p->target || strcmp(again->target, p->target) == 0));
	must(conf_needs_prober(again) == conf_needs_prober(p));
	/* What is written is what was given, and that is not kept again: only what comes from the
	 * settings can be compared. */
	probe_conf_write(again, &second);
	must(second.length <= first.length);
	probe_conf_free(again);
}

static int split(char **argv, char *words, size_t size) {
	int argc = 1;

	argv[0] = (char *)"sdwd";
	for (size_t at = 0; at < size && argc < WORDS_MAX; at += strlen(words + at) + 1)
		argv[argc++] = words + at;
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct result first;
	char *argv[WORDS_MAX + 1], *words;
	const char *path = "";
	struct givens all;
	uint8_t flags;
	int argc;

	if (size < 2)
		return 0;
	flags = data[0];
	data++, size--;
	words = calloc(1, size + 1);
	must(words);
	memcpy(words, data, size);
	argc = split(argv, words, size);
	must(args_find_config(argc, argv, all_kinds(), &path) == 0);
	must(!path || *path != '\0');

	read_words(&first, argc, argv, flags);
	if (first.r == 0 && first.shown.length > 0 && !first.shown.is_cut) {
		collect(&all, &first.conf);
		check_as_words(&first, &all, flags);
		for (size_t i = 0; i < first.conf.n_probes; i++)
			check_probe(first.conf.probes[i]);
		if (!is_on_argv_only(&all))
			check_as_file(&first, &all, flags);
	}
	conf_done(&first.conf);
	free(words);
	return 0;
}
