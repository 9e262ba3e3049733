/* SPDX-License-Identifier: MIT */
/*
 * What an instance tells sdwdctl: anybody may listen in its folder. The first byte is how the table
 * is shown (bit 0 UTF-8, bit 1 cut, bit 2 colours) and the size of the pieces, the rest what comes
 * over the socket. However it comes it is the same messages; a table of it is clean lines, and no
 * longer than a screen needs; the metrics are samples, no two of which are the same.
 */
#include <errno.h>
#include <locale.h>
#include <search.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/usec.h"
#include "fields.h"
#include "metrics.h"
#include "table.h"
#include "wire.h"

#include "fuzz.h"

/* What fits into the socket at once. */
#define INPUT_MAX 65536
#define MESSAGES_MAX 8

struct messages {
	char *list[MESSAGES_MAX];
	size_t lengths[MESSAGES_MAX], n;
};

static void take(struct messages *all, struct wire *w) {
	const char *message;
	size_t length;
	int r;

	while ((r = wire_read(w, &message, &length)) > 0) {
		must(message[length] == '\0' && strlen(message) == length);
		if (all->n == MESSAGES_MAX)
			continue;
		all->list[all->n] = fuzz_bytes(message, length + 1);
		all->lengths[all->n++] = length;
	}
	must(r == 0 || r == -EPIPE);
}

static void receive(struct messages *all, const uint8_t *data, size_t size, size_t piece) {
	struct wire w = {0};
	int ends[2];

	*all = (struct messages){0};
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	w.fd = ends[0];
	for (size_t at = 0; at < size; at += piece) {
		size_t n = MIN(piece, size - at);

		must(send(ends[1], data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
		take(all, &w);
	}
	close(ends[1]);
	take(all, &w);
	wire_close(&w);
}

static void messages_done(struct messages *all) {
	for (size_t i = 0; i < all->n; i++)
		free(all->list[i]);
}

/* The table ------------------------------------------------------------------------------------ */

/* Lines that a terminal shows as they stand; @has_color: but for what paper_put() writes. */
static void check_lines(const char *text, size_t length, bool has_color) {
	char *plain = malloc(length + 1);
	size_t n = 0;

	must(plain && (length == 0 || text[length - 1] == '\n'));
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\033' && has_color) {
			must(text[i + 1] == '[');
			i += 2 + strspn(text + i + 2, "0123456789;");
			must(text[i] == 'm');
		} else if (text[i] != '\n') {
			plain[n++] = text[i];
		}
	}
	must(fuzz_is_clean(plain, n));
	free(plain);
}

static size_t count_lines(const char *text) {
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void check_table(const struct instance *i, unsigned flags) {
	struct paper p = {
		.columns = flags & 2 ? 80 : 0,
		.lines = flags & 2 ? 24 : 0,
		.is_cut = flags & 2,
		.is_utf8 = flags & 1,
		.has_color = flags & 4,
	};
	const struct instance *list[] = {i};
	char *text = NULL;
	size_t length;

	p.out = open_memstream(&text, &length);
	must(p.out);
	table_sort(list, 1);
	must(table_show(&p, list, 1) == 1);
	must(fclose(p.out) == 0);
	check_lines(text, length, p.has_color);
	/* Whatever the instance says: a head, its probes, its process, a note. */
	must(count_lines(text) <= 128 && length <= 262144);
	free(text);
}

/* The metrics ---------------------------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Behind the name and its labels in quotes: one blank, one number. Returns where the blank is. */
static size_t sample_end(const char *line) {
	bool is_quoted = false;
	size_t at;

	for (at = 0; line[at] != '\0' && (is_quoted || line[at] != ' '); at++) {
		if (is_quoted && line[at] == '\\') {
			at++;
			must(line[at] == '\\' || line[at] == '"' || line[at] == 'n');
		} else if (line[at] == '"') {
			is_quoted = !is_quoted;
		}
	}
	must(line[at] == ' ' && line[at + 1 + strspn(line + at + 1, "0123456789.-+Inf")] == '\0');
	return at;
}

static void check_samples(char *text) {
	char *lines[16384], *rest = text, *line;
	size_t n = 0;

	must(strlen(text) < 4194304);
	while ((line = strsep(&rest, "\n"))) {
		if (*line == '#' || *line == '\0')
			continue;
		must(fuzz_is_clean(line, strlen(line)) && n < ARRAY_SIZE(lines));
		line[sample_end(line)] = '\0';
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 1; i < n; i++)
		must(strcmp(lines[i - 1], lines[i]) != 0);
}

static void check_metrics(const struct instances *all, enum metrics_format format) {
	struct metrics_subjects subjects;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	must(out && metrics_subjects_choose(&subjects, all) == 0);
	metrics_print(out, format, &subjects, 1700000000 * USEC_PER_SEC);
	metrics_subjects_done(&subjects);
	must(fclose(out) == 0 && strlen(text) == length);
	check_samples(text);
	free(text);
}

/* What is asked of the process itself, once, is not asked each time. */
static void check_reply(const char *message, size_t length, unsigned flags) {
	struct json_object *reply = wire_parse(message, length);
	struct instance i = {.pid = getpid(), .is_unit_known = true};
	struct instances all = {.list = &i, .n = 1};

	if (!reply)
		return;
	must(json_object_is_type(reply, json_type_object));
	i.path = fuzz_text("/run/sdwd/web", 13);
	i.uid = geteuid();
	must(instance_take(&i, reply) == 0);
	must(i.is_believed == (i.error[0] == '\0') && i.is_believed == (i.status != NULL));
	if (!i.is_believed)
		fuzz_check_line(i.error);
	else
		must(fuzz_is_clean(i.label, strlen(i.label)) && i.label[0] != '\0');

	/* Whoever it is: what it says is shown. */
	if (!i.is_believed) {
		i.status = json_object_get(field(field(reply, "parameters"), "status"));
		snprintf(i.label, sizeof(i.label), "web");
		i.is_believed = true;
	}
	check_table(&i, flags);
	check_metrics(&all, flags & 1 ? METRICS_OPENMETRICS : METRICS_PROMETHEUS);
	instance_done(&i);
	json_object_put(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static bool has_locale;
	struct messages whole, pieces;
	unsigned flags;
	size_t piece;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (!has_locale)
		must(setlocale(LC_CTYPE, "C.UTF-8"));
	has_locale = true;
	flags = data[0];
	data++, size--;
	/* At most 64 pieces. */
	piece = (size_t)(flags >> 3) + 1 + size / 64;
	receive(&whole, data, size, size > 0 ? size : 1);
	receive(&pieces, data, size, piece);
	must(whole.n == pieces.n);
	for (size_t i = 0; i < whole.n; i++) {
		must(whole.lengths[i] == pieces.lengths[i]);
		must(memcmp(whole.list[i], pieces.list[i], whole.lengths[i]) == 0);
		check_reply(whole.list[i], whole.lengths[i], flags);
	}
	/* Without its NUL: each input is a message. */
	if (whole.n == 0) {
		char *message = fuzz_text(data, size);

		check_reply(message, strlen(message), flags);
		free(message);
	}
	messages_done(&whole);
	messages_done(&pieces);
	return 0;
}
