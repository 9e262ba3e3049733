/* SPDX-License-Identifier: MIT */
/*
 * A pipe whose write end the child inherits: any byte is a beat, so `echo >&$SDWD_HEARTBEAT_FD` is
 * enough, and needs no library and no permission.  Whole lines in the words of sd_notify(3) are
 * understood too.  The child's end is non-blocking: while sdwd does not run, a full pipe must not
 * stop the child.
 *
 * End of file means that every writer closed its end: nobody is left who could beat.  That is
 * evidence of its own (cause `closed`), told at once; the owner waits a moment, because a child
 * that ends closes its pipe first.
 */
#include "probe/heartbeat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/usec.h"
#include "core/allowance.h"
#include "sys/inherit.h"
#include "sys/loop.h"

/* The longest line that is understood; of a longer one every byte is a beat all the same. */
#define LINE_MAX_LENGTH 1024

/*
 * One turn reads so much at most, and not on after so long: words take more time than beats.  Who
 * writes without end rests in between (core/allowance.h).
 */
#define TURN_READS 16
#define READ_SIZE 4096
#define TURN_USEC ALLOWANCE_BURST
/* So many times in a row read(2) may fail as it never does of a pipe: then that is its end. */
#define FAULTS_MAX 1000

struct heartbeat {
	struct probe base;
	struct allowance allowance;
	struct ev_io watcher;
	int fd;        /* our end; -1: closed */
	int child_end; /* -1 after attach */
	int as;
	bool has_beaten;  /* a plain beat or READY=1 was seen: from here on STATUS lines are beats
			     too */
	bool is_beat_due; /* read, not told yet */
	bool is_closed_told;
	size_t n_old; /* so many bytes waited at mark() and still do */
	unsigned n_faults;
	size_t line_length;
	char line[LINE_MAX_LENGTH];
};

static struct heartbeat *of(struct probe *p) {
	return container_of(p, struct heartbeat, base);
}

static void close_pipe(struct heartbeat *h) {
	if (ev_is_active(&h->watcher))
		ev_io_stop(h->base.loop, &h->watcher);
	h->fd = fd_close(h->fd);
}

/* The words of sd_notify(3) that a line may begin with, as they stand. Every other line is a beat:
 * so is its beginning, and what a line says must not hang on how it was cut. */
static const char *const words[] = {
	"READY=", "STATUS=", "STOPPING=", "WATCHDOG=", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=",
};
#define WORDS_FIELDS \
	((unsigned)(NOTIFY_READY | NOTIFY_STATUS | NOTIFY_STOPPING | NOTIFY_WATCHDOG | \
		    NOTIFY_WATCHDOG_TRIGGER | NOTIFY_WATCHDOG_USEC | NOTIFY_EXTEND_TIMEOUT))

static bool may_become_words(const struct heartbeat *h) {
	if (h->line_length == sizeof(h->line))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strncmp(h->line, words[i], MIN(h->line_length, strlen(words[i]))) == 0)
			return true;
	return false;
}

static void beat(struct heartbeat *h) {
	struct probe *p = &h->base;
	struct outcome o;

	h->has_beaten = true;
	h->is_beat_due = false;
	outcome_set(&o, CAUSE_OK, "beats");
	p->owner->on_outcome(p->owner, p, &o);
}

/* A whole line: words, or a plain beat. What came before it is told before it. */
static void take_line(struct heartbeat *h) {
	struct notify_msg m;
	bool is_words = may_become_words(h) && notify_msg_parse(&m, h->line, h->line_length) == 0 &&
			(m.fields & WORDS_FIELDS) != 0;

	h->line_length = 0;
	if (!is_words) {
		h->is_beat_due = true;
		return;
	}
	m.fields &= WORDS_FIELDS;
	if (m.fields & (NOTIFY_READY | NOTIFY_WATCHDOG))
		h->has_beaten = true;
	/* A trigger and STOPPING say the opposite, and STATUS is no beat as a first word. */
	if (h->has_beaten && !(m.fields & (NOTIFY_STOPPING | NOTIFY_WATCHDOG_TRIGGER)))
		h->is_beat_due = true;
	if (h->is_beat_due)
		beat(h);
	h->base.owner->on_words(h->base.owner, &h->base, &m);
}

static void take_bytes(struct heartbeat *h, const char *data, size_t length) {
	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\n')
			take_line(h);
		else if (h->line_length < sizeof(h->line))
			h->line[h->line_length++] = data[i];
	}
	/* The beginning of a line is a beat as well, unless it may become a first STATUS. */
	if (h->line_length > 0 && (h->has_beaten || !may_become_words(h)))
		h->is_beat_due = true;
}

/* What is old is read, and told, apart from what came behind it. */
static void take(struct heartbeat *h, const char *data, size_t length) {
	h->base.is_old = h->n_old > 0;
	take_bytes(h, data, length);
	if (!h->base.is_old)
		return;
	h->n_old -= length;
	if (h->is_beat_due)
		beat(h);
	h->base.is_old = false;
}

/* After a turn that took @spent_usec of the processor: listens, or rests. */
static void rest(struct heartbeat *h, usec_t spent_usec) {
	struct probe *p = &h->base;
	bool was_resting = p->rests_until_at > 0;

	p->rests_until_at = 0;
	if (h->fd < 0)
		return;
	p->rests_until_at = allowance_spend(&h->allowance, usec_now(), spent_usec);
	if (p->rests_until_at > 0)
		ev_io_stop(p->loop, &h->watcher);
	else if (was_resting)
		ev_io_start(p->loop, &h->watcher);
}

static void drain(struct heartbeat *h) {
	usec_t until_at = usec_add(usec_now(), TURN_USEC), taken = usec_taken();
	struct probe *p = &h->base;
	struct outcome o;

	for (int turn = 0; turn < TURN_READS && h->fd >= 0; turn++) {
		char data[READ_SIZE];
		size_t size = h->n_old > 0 ? MIN(h->n_old, sizeof(data)) : sizeof(data);
		ssize_t n = read(h->fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		/* What waits is still there, and wakes us again. */
		if (n < 0 && (errno == EAGAIN || ++h->n_faults < FAULTS_MAX))
			break;
		if (n > 0) {
			h->n_faults = 0;
			take(h, data, (size_t)n);
			if (usec_now() >= until_at)
				break;
			continue;
		}
		/* 0, or an error that stays: the source ends, never a busy loop. */
		if (h->line_length > 0)
			take_line(h);
		close_pipe(h);
	}
	if (h->is_beat_due)
		beat(h);
	rest(h, usec_sub(usec_taken(), taken));
	if (h->fd < 0 && !h->is_closed_told) {
		h->is_closed_told = true;
		outcome_set(
			&o, CAUSE_CLOSED,
			h->has_beaten
				? "every process that could beat has closed the pipe"
				: "the pipe was closed before the first beat (sudo, daemons and "
				  "subprocess modules close inherited fds)");
		p->owner->on_outcome(p->owner, p, &o);
	}
}

static void on_readable(struct ev_loop *loop, struct ev_io *w, int events) {
	if (loop_again(loop, w, events))
		return;
	drain(container_of(w, struct heartbeat, watcher));
}

static int heartbeat_init(struct probe *p, struct text *error) {
	struct heartbeat *h = of(p);
	int ends[2], flags;

	h->fd = h->child_end = h->as = -1;
	ev_io_init(&h->watcher, on_readable, -1, EV_READ);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		int saved = errno;

		text_addf(error, "--heartbeat: pipe: %s", strerror(saved));
		return -saved;
	}
	flags = fcntl(ends[0], F_GETFL);
	assert(flags & O_NONBLOCK);
	(void)flags;
	h->fd = ends[0];
	h->child_end = ends[1];
	return 0;
}

int heartbeat_choose_fd(struct probe *p, const int *taken, size_t n_taken) {
	const struct heartbeat_settings *settings = p->conf->settings;

	if (p->class != &probe_heartbeat)
		return -EINVAL;
	for (int fd = settings->fd >= 0 ? settings->fd : 3;; fd++) {
		bool is_free = !inherit_has(fd);

		for (size_t i = 0; i < n_taken && is_free; i++)
			is_free = taken[i] != fd;
		if (is_free) {
			of(p)->as = fd;
			return fd;
		}
		if (settings->fd >= 0)
			return -EEXIST;
	}
}

int heartbeat_child_end(const struct probe *p, int *ret_as) {
	const struct heartbeat *h = container_of((struct probe *)p, struct heartbeat, base);

	*ret_as = h->as;
	return h->child_end;
}

static void heartbeat_attach(struct probe *p) {
	struct heartbeat *h = of(p);

	h->child_end = fd_close(h->child_end);
	ev_io_set(&h->watcher, h->fd, EV_READ);
	ev_io_start(p->loop, &h->watcher);
}

static void heartbeat_drain(struct probe *p) {
	drain(of(p));
}

static void heartbeat_mark(struct probe *p) {
	struct heartbeat *h = of(p);
	int n = 0;

	h->n_old = h->fd >= 0 && ioctl(h->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static void heartbeat_done(struct probe *p) {
	struct heartbeat *h = of(p);

	/* Zeroed, without init(): fd 0 is not ours. */
	if (!h->watcher.cb)
		return;
	close_pipe(h);
	h->child_end = fd_close(h->child_end);
}

static int parse_fd(const char *target, void *settings, struct text *error) {
	struct heartbeat_settings *s = settings;
	char quoted[OPT_QUOTED_MAX];
	uint64_t fd;

	s->fd = -1;
	if (!target)
		return 0;
	if (text_parse_u64(target, 3, 1023, &fd) < 0) {
		text_addf(error, "%s is not an fd number from 3 to 1023",
			  opt_quoted(quoted, target));
		return -EINVAL;
	}
	s->fd = (int)fd;
	return 0;
}

static const struct probe_kind kind = {
	.name = "heartbeat",
	.argument = "FD",
	.argument_is_optional = true,
	.help = "the child writes to a pipe within --silence; FD is its number in the child "
		"(default: the lowest free one from 3; told in SDWD_HEARTBEAT_FD)",
	.mode = PROBE_PUSH,
	.settings_size = sizeof(struct heartbeat_settings),
	.check = parse_fd,
};

const struct probe_class probe_heartbeat = {
	.kind = &kind,
	.size = sizeof(struct heartbeat),
	.init = heartbeat_init,
	.attach = heartbeat_attach,
	.drain = heartbeat_drain,
	.mark = heartbeat_mark,
	.done = heartbeat_done,
};
