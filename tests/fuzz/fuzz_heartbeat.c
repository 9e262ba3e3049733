/* SPDX-License-Identifier: MIT */
/*
 * What the child writes to the heartbeat pipe: the first byte is the size of the pieces in which it
 * comes, the rest is written, and the pipe closed. However it comes, the words are those of its
 * whole lines, and all else is beats.
 */
#include <unistd.h>

#include "probe/heartbeat.h"

#include "fuzz.h"

/* The longest line that is understood is one byte shorter. */
#define LINE_SIZE 1024
/* More would not fit into a pipe that nobody reads. */
#define INPUT_MAX 32768
#define WORDS_MAX 512

/* What was told, in its order. */
struct story {
	struct probe_owner owner;
	unsigned fields[WORDS_MAX]; /* of the words, one of two that follow */
	bool has_beaten[WORDS_MAX]; /* a beat came before */
	uint64_t sums[WORDS_MAX];   /* of their values */
	size_t n_words, n_beats, n_closed;
	bool is_closed_early;
};

static uint64_t sum_of(const struct notify_msg *m) {
	uint64_t sum = m->watchdog_usec * 31 + m->extend_timeout_usec;

	for (size_t i = 0; i < m->status_length; i++)
		sum = (sum ^ (unsigned char)m->status[i]) * 1099511628211;
	return sum;
}

static void add_words(struct story *s, const struct notify_msg *m) {
	must(s->n_words < WORDS_MAX);
	must(m->fields != 0);
	s->fields[s->n_words] = m->fields;
	s->has_beaten[s->n_words] = s->n_beats > 0;
	s->sums[s->n_words++] = sum_of(m);
}

static void on_outcome(struct probe_owner *owner, struct probe *p, const struct outcome *o) {
	struct story *s = container_of(owner, struct story, owner);

	/* Nothing comes behind the end. */
	must(s->n_closed == 0);
	must(o->cause == CAUSE_OK || o->cause == CAUSE_CLOSED);
	fuzz_check_line(o->text);
	s->n_beats += o->cause == CAUSE_OK;
	s->n_closed += o->cause == CAUSE_CLOSED;
	s->is_closed_early = strstr(o->text, "before the first beat") != NULL;
}

static void on_words(struct probe_owner *owner, struct probe *p, const struct notify_msg *m) {
	struct story *s = container_of(owner, struct story, owner);

	must(s->n_closed == 0);
	if (m->fields & NOTIFY_STATUS)
		must(m->status_length < LINE_SIZE && text_is_utf8(m->status, m->status_length));
	add_words(s, m);
}

/* The real probe, its pipe, and a loop that never runs. */
static void run(struct story *s, const uint8_t *data, size_t size, size_t piece) {
	static struct ev_loop *loop;
	struct heartbeat_settings settings = {.fd = -1};
	const struct probe_conf conf = {.kind = probe_heartbeat.kind, .settings = &settings};
	char reason[256];
	struct text error = TEXT_OVER(reason);
	struct probe *p;
	int child, as;

	if (!loop)
		loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	*s = (struct story){.owner = {.on_outcome = on_outcome, .on_words = on_words}};
	must(probe_new(&conf, &s->owner, loop, &p, &error) == 0);
	child = dup(heartbeat_child_end(p, &as));
	must(child >= 0);
	p->class->attach(p);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = MIN(piece, size - at);

		must(write(child, data + at, n) == (ssize_t)n);
		p->class->drain(p);
	}
	close(child);
	p->class->drain(p);
	/* Also a second time. */
	p->class->drain(p);
	must(s->n_closed == 1);
	probe_free(p);
}

/* The fields that a line may say, by what it begins with as it stands; 0: it is a beat. */
static unsigned known_fields(const char *line, size_t length) {
	static const char *const words[] = {"READY=",    "STATUS=",        "STOPPING=",
					    "WATCHDOG=", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC="};

	for (size_t i = 0; length < LINE_SIZE && i < ARRAY_SIZE(words); i++)
		if (length >= strlen(words[i]) && memcmp(line, words[i], strlen(words[i])) == 0)
			return NOTIFY_READY | NOTIFY_STATUS | NOTIFY_STOPPING | NOTIFY_WATCHDOG |
			       NOTIFY_WATCHDOG_TRIGGER | NOTIFY_WATCHDOG_USEC |
			       NOTIFY_EXTEND_TIMEOUT;
	return 0;
}

/* The same of the lines of the whole, each by itself. */
static void expect(struct story *s, const uint8_t *data, size_t size) {
	bool has_beaten = false;

	*s = (struct story){.n_closed = 1};
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		char *line = fuzz_bytes(data, length);
		struct notify_msg m;

		if (notify_msg_parse(&m, line, length) == 0 &&
		    (m.fields &= known_fields(line, length))) {
			bool is_end = m.fields & (NOTIFY_STOPPING | NOTIFY_WATCHDOG_TRIGGER);

			has_beaten |= (m.fields & (NOTIFY_READY | NOTIFY_WATCHDOG)) != 0;
			s->n_beats += has_beaten && !is_end;
			add_words(s, &m);
		} else {
			s->n_beats++;
			has_beaten = true;
		}
		free(line);
		length += end != NULL;
		data += length;
		size -= length;
	}
	s->is_closed_early = !has_beaten;
}

static void compare(const struct story *a, const struct story *b) {
	must(a->n_words == b->n_words);
	for (size_t i = 0; i < a->n_words; i++) {
		must(a->fields[i] == b->fields[i] && a->sums[i] == b->sums[i]);
		must(a->has_beaten[i] == b->has_beaten[i]);
	}
	must((a->n_beats > 0) == (b->n_beats > 0) && a->is_closed_early == b->is_closed_early);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct story whole, pieces, expected;
	size_t piece, n_lines = 0;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	piece = (size_t)data[0] + 1;
	data++, size--;
	for (size_t i = 0; i < size; i++)
		n_lines += data[i] == '\n';
	/* A few pieces say what thousands would, and each costs a turn. */
	if (n_lines + 1 > WORDS_MAX || size / piece > 256)
		return 0;
	run(&whole, data, size, size > 0 ? size : 1);
	run(&pieces, data, size, piece);
	expect(&expected, data, size);
	compare(&whole, &expected);
	compare(&pieces, &expected);
	return 0;
}
