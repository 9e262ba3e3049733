/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client.h"
#include "table.h"
#include "verb.h"

struct settings {
	bool do_json;
	usec_t timeout_usec;
};

static const struct opt options[] = {
	{.name = "json",
	 .help = "print one JSON array of what the services answered",
	 .parse = opt_parse_flag,
	 .offset = offsetof(struct settings, do_json)},
	{.name = "timeout",
	 .argument = "DURATION",
	 .fallback = CLIENT_TIMEOUT,
	 .help = "how long to wait for all answers together",
	 .parse = opt_parse_duration,
	 .offset = offsetof(struct settings, timeout_usec),
	 .minimum = USEC_PER_MSEC,
	 .maximum = 60 * USEC_PER_MINUTE},
	{0},
};

static int run(int argc, char **argv);

const struct verb verb_status = {
	.name = "status",
	.words = "[LABEL...]",
	.help = "Shows which services are well, and each probe's last looks",
	.options = options,
	.run = run,
};

/* Sets @is_asked of each that @words mean; false where one of @words means none. */
static bool choose(const struct instances *all, char *const *words, size_t n_words,
		   bool *is_asked) {
	char quoted[OPT_QUOTED_MAX];
	bool are_all_found = true;

	for (size_t at = 0; at < all->n; at++)
		is_asked[at] = n_words == 0;
	for (size_t word = 0; word < n_words; word++) {
		bool is_found = false;

		for (size_t at = 0; at < all->n; at++)
			if (instance_matches(all->list + at, words[word]))
				is_found = is_asked[at] = true;
		if (!is_found)
			fprintf(stderr, "sdwdctl: status: no service under sdwd is called %s\n",
				opt_quoted(quoted, words[word]));
		are_all_found = are_all_found && is_found;
	}
	return are_all_found;
}

/* JSON's escape of the character of @n bytes. */
static void put_escape(const char *character, size_t n) {
	uint32_t c = (unsigned char)character[0];

	if (n > 1)
		c &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)character[i] & 0x3fU);
	if (c > 0xffff)
		printf("\\u%04x", 0xd800 + (c - 0x10000) / 0x400);
	printf("\\u%04x", c > 0xffff ? 0xdc00 + (c - 0x10000) % 0x400 : c);
}

/*
 * One array. json-c escapes the control characters below U+0020 alone; the others that no person
 * should get to see as they are stand in strings only, where an escape means the same.
 */
static void put_json(const struct instance *const *list, size_t n) {
	putchar('[');
	for (size_t at = 0; at < n; at++) {
		const char *text =
			json_object_to_json_string_ext(list[at]->status,
						       JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE);
		size_t length, left;

		text = text ? text : "null";
		fputs(at > 0 ? ",\n" : "\n", stdout);
		for (left = strlen(text); left > 0; text += length, left -= length) {
			bool is_clean;

			length = text_character(text, left, &is_clean);
			if (is_clean)
				fwrite(text, 1, length, stdout);
			else
				put_escape(text, length);
		}
	}
	puts("\n]");
}

/* Returns 0 or -ENOMEM. */
static int put(const struct settings *s, const struct instance **list, size_t n) {
	struct paper paper = paper_of_stdout();

	table_sort(list, n);
	if (s->do_json)
		put_json(list, n);
	else if (n > 0 && table_show(&paper, list, n) == 0)
		return -ENOMEM;
	return 0;
}

/* @is_asked and @list have an element for each of @all. Returns CTL_ or -ENOMEM. */
static int show(const struct instances *all, const struct settings *s, char *const *words,
		size_t n_words, bool *is_asked, const struct instance **list) {
	bool are_all_found = choose(all, words, n_words, is_asked);
	size_t n_bad = instances_complain(all, "status", is_asked), n = 0;
	bool is_well = n_bad == 0 && are_all_found;
	int r;

	for (size_t at = 0; at < all->n; at++)
		if (is_asked[at] && all->list[at].is_believed) {
			list[n++] = all->list + at;
			is_well = is_well && instance_is_well(all->list + at);
		}
	r = put(s, list, n);
	if (r < 0)
		return r;
	if (n == 0 && n_words == 0 && n_bad == 0)
		fputs("sdwdctl: status: no service runs under sdwd here, or none has a control "
		      "socket\n",
		      stderr);
	if (n == 0 && (n_words == 0 || n_bad > 0))
		return CTL_CANNOT;
	return is_well ? CTL_WELL : CTL_UNWELL;
}

static int ask(const struct settings *s, char *const *words, size_t n_words) {
	const struct instance **list = NULL;
	bool *is_asked = NULL;
	struct instances all;
	int r = instances_ask(&all, s->timeout_usec);

	if (r == 0) {
		list = calloc(all.n + 1, sizeof(const struct instance *));
		is_asked = calloc(all.n + 1, sizeof(*is_asked));
		r = list && is_asked ? show(&all, s, words, n_words, is_asked, list) : -ENOMEM;
	}
	if (r < 0) {
		fprintf(stderr, "sdwdctl: status: %s\n", strerror(-r));
		r = CTL_CANNOT;
	}
	free(list);
	free(is_asked);
	instances_done(&all);
	return r;
}

static int run(int argc, char **argv) {
	struct settings s = {0};
	size_t n_words;
	int r = arguments_parse(&verb_status, argc, argv, &s, &n_words);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	setlocale(LC_CTYPE, "");
	r = ask(&s, argv + 1, n_words);
	arguments_done(&verb_status, &s);
	return r;
}
