/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/usec.h"
#include "screen.h"
#include "streams.h"
#include "table.h"
#include "verb.h"

/* Times that pass on the screen, and sockets that come and go. */
#define TICK_USEC USEC_PER_SEC
/* At most four times a second. */
#define FRAME_USEC (250 * USEC_PER_MSEC)
/* Until the first one: most have answered then. */
#define FIRST_USEC (100 * USEC_PER_MSEC)
/* Of the title, and of the line that says what has no room. */
#define LINES_AROUND 2

struct watch {
	struct streams streams;
	struct screen screen;
	usec_t tick_at, frame_at;
	bool is_over;
	int signal; /* that ends it, 0: none */
};

static int run(int argc, char **argv);

const struct verb verb_watch = {
	.name = "watch",
	.words = "[LABEL...]",
	.help = "Shows the table of status live; q ends it",
	.run = run,
};

static void put_title(const struct paper *p, const struct instance *const *list, size_t n,
		      size_t n_bad) {
	size_t n_unwell = 0;
	char text[256];
	struct text t = TEXT_OVER(text);
	unsigned room = paper_room(p);

	for (size_t at = 0; at < n; at++)
		n_unwell += !instance_is_well(list[at]);
	text_addf(&t, "%zu service%s", n, n == 1 ? "" : "s");
	paper_put(p, text, INK_PLAIN, 0, &room);
	t = TEXT_OVER(text);
	text_addf(&t, ", %zu unwell", n_unwell);
	paper_put(p, text, n_unwell > 0 ? INK_BAD : INK_PLAIN, 0, &room);
	t = TEXT_OVER(text);
	if (n_bad > 0)
		text_addf(&t, ", %zu without an answer that is believed: see sdwdctl status",
			  n_bad);
	paper_put(p, text, INK_WARN, 0, &room);
	paper_put(p, "; q ends", INK_DIM, 0, &room);
	fputc('\n', p->out);
}

static void write_frame(struct paper *p, const struct instance **list, size_t n, size_t n_bad) {
	unsigned lines = p->lines;
	size_t shown;

	put_title(p, list, n, n_bad);
	table_sort(list, n);
	p->lines = lines > LINES_AROUND ? lines - LINES_AROUND : 1;
	shown = table_show(p, list, n);
	p->lines = lines;
	if (shown < n)
		fprintf(p->out, "... %zu more\n", n - shown);
}

static int draw(struct watch *w) {
	struct paper paper = paper_of_stdout();
	const struct instance **list = NULL;
	size_t n_bad, length = 0;
	char *text = NULL;
	ptrdiff_t n = streams_list(&w->streams, &list, &n_bad);
	int r;

	if (n < 0)
		return (int)n;
	/* A terminal that does not tell its size has that of old. */
	paper.columns = paper.columns > 0 ? paper.columns : 80;
	paper.lines = paper.lines > 0 ? paper.lines : 24;
	paper.is_cut = true;
	paper.out = open_memstream(&text, &length);
	if (paper.out) {
		write_frame(&paper, list, (size_t)n, n_bad);
		r = fclose(paper.out) == 0 ? 0 : -ENOMEM;
	} else {
		r = -ENOMEM;
	}
	free(list);
	if (r == 0)
		r = screen_show(&w->screen, text, length, paper.lines);
	free(text);
	return r;
}

/* Ctrl-Z: the shell gets its terminal as it was, and back here it is taken again. */
static int suspend(struct watch *w) {
	screen_leave(&w->screen);
	kill(getpid(), SIGSTOP);
	w->frame_at = 0;
	return screen_enter(&w->screen);
}

static int on_signals(struct watch *w) {
	for (int number = screen_signal(); number != 0; number = screen_signal()) {
		int r = 0;

		if (number == SIGWINCH) {
			screen_forget(&w->screen);
			w->streams.is_changed = true;
		} else if (number == SIGTSTP) {
			r = suspend(w);
		} else {
			w->signal = number;
			w->is_over = true;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static void on_keys(struct watch *w) {
	char keys[64];
	ssize_t n = w->screen.has_keys ? read(STDIN_FILENO, keys, sizeof(keys)) : 0;

	for (ssize_t at = 0; at < n; at++)
		if (keys[at] == 'q' || keys[at] == 'Q')
			w->is_over = true;
	/* The terminal is gone. */
	if (n < 0 && errno == EIO)
		w->is_over = true;
}

static usec_t next_at(const struct watch *w) {
	return w->streams.is_changed ? MIN(w->tick_at, w->frame_at) : w->tick_at;
}

static int turn(struct watch *w) {
	usec_t now = usec_now();
	int r;

	streams_feed(&w->streams, usec_sub(next_at(w), now), &w->screen.mask);
	r = on_signals(w);
	if (r < 0)
		return r;
	on_keys(w);
	now = usec_now();
	if (now >= w->tick_at) {
		streams_scan(&w->streams);
		w->tick_at = usec_add(now, TICK_USEC);
		w->streams.is_changed = true;
	}
	if (w->is_over || !w->streams.is_changed || now < w->frame_at)
		return 0;
	w->streams.is_changed = false;
	w->frame_at = usec_add(now, FRAME_USEC);
	r = draw(w);
	return r == -EINTR ? 0 : r;
}

static int show(char *const *words, size_t n_words) {
	struct watch w = {.streams = {.epoll = -1}};
	int r = streams_open(&w.streams, words, n_words);

	if (r == 0)
		r = screen_enter(&w.screen);
	w.frame_at = usec_add(usec_now(), FIRST_USEC);
	if (r == 0 && w.screen.has_keys)
		r = streams_feed_also(&w.streams, STDIN_FILENO);
	while (r == 0 && !w.is_over)
		r = turn(&w);
	screen_leave(&w.screen);
	streams_close(&w.streams);
	if (r < 0) {
		fprintf(stderr, "sdwdctl: watch: %s\n", strerror(-r));
		return CTL_CANNOT;
	}
	/* Whoever started us sees that it was a signal. */
	if (w.signal != 0) {
		signal(w.signal, SIG_DFL);
		sigprocmask(SIG_SETMASK, &w.screen.mask, NULL);
		raise(w.signal);
	}
	return CTL_WELL;
}

static int run(int argc, char **argv) {
	size_t n_words;
	int r = arguments_parse(&verb_watch, argc, argv, NULL, &n_words);

	if (r != 0)
		return r < 0 ? CTL_USAGE : CTL_WELL;
	if (!isatty(STDOUT_FILENO))
		return usage_error(
			&verb_watch,
			"the output is no terminal; for programs: sdwdctl status --json");
	setlocale(LC_CTYPE, "");
	return show(argv + 1, n_words);
}
