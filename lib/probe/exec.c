/* SPDX-License-Identifier: MIT */
/*
 * One look is one run of the command, in a session and a group of its own (sys/spawn.h).
 *
 * The verdict comes with the exit of that process, never with the end of its output: whatever it
 * started in the background may hold the pipe for ever.  What is left of its group is killed then,
 * while the pid is not reaped and so names nobody else.
 *
 * A run that is killed at its deadline takes a moment to die, and as long as it pleases where the
 * kernel waits for a device or a file server.  Two runs at once would pile up: so the next look
 * begins its run when the last one is gone, within its own deadline, and fails where that does not
 * come.
 */
#include "probe/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/match.h"
#include "base/usec.h"
#include "probe/exec_settings.h"
#include "sys/loop.h"

/* A flood of output delays nobody: the loop comes back. */
#define READ_SIZE (16 * 1024)
#define READ_TURNS 4

enum exec_phase {
	EXEC_IDLE,
	EXEC_WAITING, /* a look began, but the last run is not gone yet */
	EXEC_RUNNING,
};

struct exec_probe {
	struct probe base;
	enum exec_phase phase;
	pid_t pid; /* of the run until it is reaped, which may be long after its look; 0: none */
	bool has_pipe;
	struct ev_io io; /* its fd is ours while has_pipe */
	bool is_cut;
	size_t length;
	char output[EXEC_OUTPUT_MAX];
};

static struct exec_probe *of(struct probe *p) {
	return container_of(p, struct exec_probe, base);
}

static const struct exec_settings *settings(const struct exec_probe *e) {
	return e->base.conf->settings;
}

/* Output ----------------------------------------------------------------------------------- */

static void close_pipe(struct exec_probe *e) {
	if (!e->has_pipe)
		return;
	ev_io_stop(e->base.loop, &e->io);
	fd_close(e->io.fd);
	e->has_pipe = false;
}

static void keep(struct exec_probe *e, const char *data, size_t length) {
	size_t kept = MIN(length, EXEC_OUTPUT_MAX - e->length);

	memcpy(e->output + e->length, data, kept);
	e->length += kept;
	e->is_cut |= kept < length;
}

static void read_output(struct exec_probe *e) {
	char buffer[READ_SIZE];

	for (int turn = 0; turn < READ_TURNS && e->has_pipe; turn++) {
		ssize_t n = read(e->io.fd, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* Its end is no news: what counts is the exit. */
		if (n <= 0)
			close_pipe(e);
		else
			keep(e, buffer, (size_t)n);
	}
}

static void on_output(struct ev_loop *loop, struct ev_io *io, int events) {
	if (loop_again(loop, io, events))
		return;
	read_output(container_of(io, struct exec_probe, io));
}

/* The first line that shows anything. */
static void first_line(const struct exec_probe *e, char *line, size_t size) {
	size_t n, at;

	line[0] = '\0';
	for (at = 0; at < e->length && line[0] == '\0'; at += n + 1) {
		const char *begin = e->output + at, *end = memchr(begin, '\n', e->length - at);

		n = end ? (size_t)(end - begin) : e->length - at;
		(void)text_clean(line, size, begin, n);
	}
}

/* Verdict ---------------------------------------------------------------------------------- */

static void judge_output(const struct exec_probe *e, struct outcome *ret) {
	if (!settings(e)->expect) {
		outcome_set(ret, CAUSE_OK, "exited with 0");
		return;
	}
	if (e->is_cut) {
		outcome_set(
			ret, CAUSE_BODY_MISMATCH,
			"exited with 0, but its output is longer than %d KiB, and a cut one never "
			"matches",
			EXEC_OUTPUT_MAX / 1024);
		return;
	}
	if (match_bytes(settings(e)->expect, e->output, e->length))
		outcome_set(ret, CAUSE_OK, "exited with 0, its output matches");
	else
		outcome_set(ret, CAUSE_BODY_MISMATCH,
			    "exited with 0, but its output does not match");
}

static void judge(const struct exec_probe *e, int wait_status, struct outcome *ret) {
	int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

	if (code == 0)
		judge_output(e, ret);
	else if (code == settings(e)->warn)
		outcome_set(ret, CAUSE_DEGRADED, "exited with %d", code);
	else
		outcome_from_wait_status(ret, wait_status);
}

static void add_first_line(const struct exec_probe *e, struct outcome *o) {
	char line[OUTCOME_TEXT_MAX], text[OUTCOME_TEXT_MAX];

	first_line(e, line, sizeof(line));
	if (line[0] == '\0')
		return;
	memcpy(text, o->text, sizeof(text));
	outcome_set(o, o->cause, "%s: %s", text, line);
}

/* Runs ------------------------------------------------------------------------------------- */

/* The run has ended, and is not reaped yet. */
static void finish(struct exec_probe *e, int wait_status, struct outcome *ret) {
	spawn_kill(e->pid);
	read_output(e);
	close_pipe(e);
	e->phase = EXEC_IDLE;
	judge(e, wait_status, ret);
	add_first_line(e, ret);
}

static int start_command(struct exec_probe *e, int output_fd) {
	struct check_environment environment;
	struct probe *p = &e->base;
	pid_t pid;
	int r;

	p->owner->environment(p->owner, p, &environment);
	r = spawn_start(&settings(e)->command, environment.set, output_fd, &pid);
	if (r < 0)
		return r;
	e->pid = pid;
	p->owner->on_helper(p->owner, p, pid);
	return 0;
}

/* True: nothing runs, and *@ret says why. */
static bool begin(struct exec_probe *e, struct outcome *ret) {
	int ends[2], r;

	e->phase = EXEC_IDLE;
	e->length = 0;
	e->is_cut = false;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		outcome_from_errno(ret, "pipe", errno);
		return true;
	}
	/* Ours alone: a command that writes to a full pipe must wait, not fail. */
	r = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : start_command(e, ends[1]);
	fd_close(ends[1]);
	if (r < 0) {
		fd_close(ends[0]);
		outcome_from_errno(ret, "fork", -r);
		return true;
	}
	ev_io_init(&e->io, on_output, ends[0], EV_READ);
	ev_io_start(e->base.loop, &e->io);
	e->has_pipe = true;
	e->phase = EXEC_RUNNING;
	return false;
}

static int exec_start(struct probe *p, struct outcome *ret) {
	struct exec_probe *e = of(p);

	assert(e->phase == EXEC_IDLE);
	if (e->pid > 0) {
		e->phase = EXEC_WAITING;
		return 0;
	}
	return begin(e, ret) ? PROBE_DONE : 0;
}

static bool exec_reaped(struct probe *p, const struct reaped *r) {
	struct exec_probe *e = of(p);
	struct outcome o;
	bool is_over;

	if (e->pid == 0 || r->pid != e->pid)
		return false;
	if (!r->is_gone)
		return true;
	if (e->phase == EXEC_RUNNING) {
		finish(e, r->wait_status, &o);
		is_over = true;
	} else {
		is_over = e->phase == EXEC_WAITING && begin(e, &o);
	}
	if (e->pid == r->pid)
		e->pid = 0;
	if (is_over)
		p->owner->on_outcome(p->owner, p, &o);
	return true;
}

static void exec_expire(struct probe *p, struct outcome *ret) {
	struct exec_probe *e = of(p);
	char limit[USEC_STR_MAX];
	int wait_status;

	if (e->phase == EXEC_WAITING) {
		e->phase = EXEC_IDLE;
		outcome_set(ret, CAUSE_TIMEOUT, "the last run was killed and has not ended since");
		return;
	}
	if (reaper_has_ended(e->pid, &wait_status)) {
		finish(e, wait_status, ret);
		return;
	}
	spawn_kill(e->pid);
	read_output(e);
	close_pipe(e);
	e->phase = EXEC_IDLE;
	outcome_set(ret, CAUSE_TIMEOUT, "took longer than %s and was killed",
		    usec_str_short(limit, p->conf->timeout_usec));
	add_first_line(e, ret);
}

static void exec_cancel(struct probe *p) {
	struct exec_probe *e = of(p);

	if (e->pid > 0)
		spawn_kill(e->pid);
	close_pipe(e);
	e->phase = EXEC_IDLE;
}

static const struct probe_kind exec_kind = {
	.name = "exec",
	.argument = "COMMAND",
	.help = "good when the command exits with 0, and its output matches where --expect is "
		"given",
	.mode = PROBE_PULL,
	.options = exec_options,
	.settings_size = sizeof(struct exec_settings),
	.check = exec_settings_check,
	.settings_done = exec_settings_done,
	.start_interval_usec = USEC_PER_SEC,
};

const struct probe_class probe_exec = {
	.kind = &exec_kind,
	.size = sizeof(struct exec_probe),
	.start = exec_start,
	.expire = exec_expire,
	.cancel = exec_cancel,
	.reaped = exec_reaped,
	.done = exec_cancel,
};
