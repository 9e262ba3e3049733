/* SPDX-License-Identifier: MIT */
/*
 * One socket, one process, and a list of what was asked.  Nothing here waits: a request that does
 * not fit into the socket is not asked, a prober that does not answer is killed.
 *
 * The prober promises a reply to each request by its deadline, also where what it looks at does not
 * answer.  So silence is a fault of its own; it has a little time beyond the deadline, because a
 * machine that is short of processors is no reason to start it over and over.
 */
#include "app/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/usec.h"
#include "core/outcome.h"
#include "probe/probe.h"
#include "sys/loop.h"
#include "sys/spawn.h"

/*
 * From a request's deadline to the end of our patience. One that was just started has its libraries
 * to read: where that takes long, a start over and over would take longer.
 */
#define PATIENCE (500 * USEC_PER_MSEC)
#define PATIENCE_FIRST (5 * USEC_PER_SEC)
/* From its SIGKILL to the end of our patience. */
#define PATIENCE_KILLED (200 * USEC_PER_MSEC)
/* Between a death and the next start; it doubles, until one has lived for a while. */
#define BACKOFF_FIRST (100 * USEC_PER_MSEC)
#define BACKOFF_MOST (10 * USEC_PER_SEC)
#define LIVED_WELL (20 * USEC_PER_SEC)
/* Replies read per wake-up. */
#define READ_TURNS 64

void prober_init(struct prober *p) {
	/* Not the path: few need it, and it is larger than all the rest. */
	memset(p, 0, offsetof(struct prober, path));
	p->program_fd = p->fd = -1;
	p->kill_at = p->give_up_at = USEC_INFINITY;
	p->backoff_usec = BACKOFF_FIRST;
}

/* Ends the conversation; its end is heard by prober_reaped(). */
static void hang_up(struct prober *p, const char *fault) {
	if (p->fd < 0)
		return;
	ev_io_stop(p->loop, &p->io);
	p->fd = fd_close(p->fd);
	p->fault = fault;
	p->late_id = 0;
	p->kill_at = USEC_INFINITY;
	p->give_up_at = usec_add(usec_now(), PATIENCE_KILLED);
	spawn_kill(p->pid);
}

/* Takes the call of that id out of the list, or returns NULL: it is over already. */
static struct prober_call *take_call(struct prober *p, uint32_t id) {
	for (struct prober_call **c = &p->calls; *c; c = &(*c)->next) {
		struct prober_call *call = *c;

		if (call->id != id)
			continue;
		*c = call->next;
		call->next = NULL;
		call->id = 0;
		return call;
	}
	return NULL;
}

/* Reads one reply. Returns 1, 0 where none is there, or -EPIPE: the conversation is over. */
static int receive(struct prober *p, struct prober_reply *ret) {
	char packet[PROBER_REPLY_MAX + 1];
	ssize_t n;

	if (p->fd < 0)
		return -EPIPE;
	do
		n = recv(p->fd, packet, sizeof(packet), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		hang_up(p, NULL);
		return -EPIPE;
	}
	if (prober_reply_decode(ret, packet, (size_t)n) < 0) {
		hang_up(p, "it said something that is no reply");
		return -EPIPE;
	}
	p->has_answered = true;
	if (ret->id == p->late_id) {
		p->late_id = 0;
		p->kill_at = USEC_INFINITY;
	}
	return 1;
}

/* What a reply brings for the next request. */
static void keep_addresses(struct prober_call *call, const struct prober_reply *reply) {
	if (reply->n_addresses == 0)
		return;
	memcpy(call->addresses, reply->addresses, sizeof(call->addresses));
	call->n_addresses = reply->n_addresses;
}

static void deliver(struct prober *p, const struct prober_reply *reply) {
	struct prober_call *call = take_call(p, reply->id);

	if (!call)
		return;
	keep_addresses(call, reply);
	call->on_reply(call, reply);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events) {
	struct prober *p = container_of(io, struct prober, io);
	struct prober_reply reply;

	if (loop_again(loop, io, events))
		return;
	for (int turn = 0; turn < READ_TURNS && receive(p, &reply) > 0; turn++)
		deliver(p, &reply);
}

static int start(struct prober *p) {
	char *argv[] = {p->path, NULL};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Ours alone: the prober may wait for room. */
	r = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0
		    ? -errno
		    : spawn_helper(p->program_fd, argv, pair[1], &p->pid);
	fd_close(pair[1]);
	if (r < 0) {
		fd_close(pair[0]);
		return r;
	}
	p->fd = pair[0];
	p->fault = NULL;
	p->has_answered = false;
	p->started_at = usec_now();
	p->n_starts++;
	ev_io_init(&p->io, on_readable, p->fd, EV_READ);
	ev_io_start(p->loop, &p->io);
	log_debug("prober: pid %d started", p->pid);
	return 0;
}

static int send_request(struct prober *p, const struct prober_call *call, usec_t deadline_at) {
	struct prober_request request = {
		.id = call->id,
		.deadline_at = deadline_at,
		.n_addresses = call->n_addresses,
	};
	char head[PROBER_HEAD_MAX];
	struct iovec parts[2] = {
		{.iov_base = head},
		{.iov_base = (void *)call->words, .iov_len = call->words_length},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	memcpy(request.addresses, call->addresses, sizeof(request.addresses));
	parts[0].iov_len = prober_request_head(head, &request);
	do
		n = sendmsg(p->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int cannot_ask(struct outcome *ret, const char *why) {
	outcome_set(ret, CAUSE_PROBER, "%s", why);
	return PROBE_DONE;
}

int prober_ask(struct prober *p, struct prober_call *call, usec_t deadline_at,
	       struct outcome *ret) {
	int r;

	assert(call->id == 0);
	if (p->has_ended || p->program_fd < 0)
		return cannot_ask(ret, "there is no prober");
	if (p->pid > 0 && p->fd < 0)
		return cannot_ask(ret, "the prober is being ended");
	if (p->pid == 0 && usec_now() < p->retry_at)
		return cannot_ask(ret, "the prober died, and is started again soon");
	r = p->pid == 0 ? start(p) : 0;
	if (r < 0) {
		outcome_set(ret, CAUSE_PROBER, "cannot start the prober: %s", strerror(-r));
		return PROBE_DONE;
	}
	if (++p->last_id == 0)
		p->last_id = 1;
	call->id = p->last_id;
	r = send_request(p, call, deadline_at);
	if (r < 0) {
		call->id = 0;
		return cannot_ask(ret, r == -EAGAIN ? "the prober has too much to do"
						    : "the prober cannot be asked");
	}
	call->next = p->calls;
	p->calls = call;
	return 0;
}

bool prober_expire(struct prober *p, struct prober_call *call, struct prober_reply *ret) {
	uint32_t id = call->id;
	struct prober_reply reply;

	assert(id != 0);
	while (receive(p, &reply) > 0) {
		if (reply.id != id) {
			deliver(p, &reply);
			continue;
		}
		(void)take_call(p, id);
		keep_addresses(call, &reply);
		*ret = reply;
		return true;
	}
	(void)take_call(p, id);
	if (p->fd >= 0 && p->late_id == 0) {
		p->late_id = id;
		p->kill_at = usec_add(usec_now(), p->has_answered ? PATIENCE : PATIENCE_FIRST);
	}
	return false;
}

void prober_cancel(struct prober *p, struct prober_call *call) {
	if (call->id != 0)
		(void)take_call(p, call->id);
}

/* Nobody will answer what was asked. */
static void answer_all(struct prober *p, const struct outcome *o) {
	/* It has an end: before retry_at nothing new can be asked. */
	while (p->calls) {
		struct prober_reply reply = {.id = p->calls->id, .cause = o->cause};

		memcpy(reply.text, o->text, sizeof(reply.text));
		deliver(p, &reply);
	}
}

/* The next one is started by the first question after that. */
static void back_off(struct prober *p) {
	p->pid = 0;
	p->give_up_at = USEC_INFINITY;
	if (usec_sub(usec_now(), p->started_at) >= LIVED_WELL)
		p->backoff_usec = BACKOFF_FIRST;
	p->retry_at = usec_add(usec_now(), p->backoff_usec);
	p->backoff_usec = MIN(p->backoff_usec * 2, BACKOFF_MOST);
}

static bool is_stuck(struct prober *p, const struct reaped *r) {
	for (size_t i = 0; i < PROBERS_STUCK_MAX; i++)
		if (p->stuck[i] == r->pid) {
			p->stuck[i] = r->is_gone ? 0 : r->pid;
			/* There is room for another one, which may be waiting for it. */
			if (r->is_gone && p->pid > 0 && p->fd < 0)
				p->give_up_at =
					MIN(p->give_up_at, usec_add(usec_now(), PATIENCE_KILLED));
			return true;
		}
	return false;
}

bool prober_reaped(struct prober *p, const struct reaped *r) {
	struct outcome how, o;

	if (is_stuck(p, r))
		return true;
	if (p->pid == 0 || r->pid != p->pid)
		return false;
	if (!r->is_gone)
		return true;
	hang_up(p, NULL);
	back_off(p);
	outcome_from_wait_status(&how, r->wait_status);
	outcome_set(&o, CAUSE_PROBER, "the prober died: %s", p->fault ? p->fault : how.text);
	if (p->has_ended)
		return true;
	log_warning("sdwd-prober (pid %d) %s%s; its looks are unknown until it runs again", r->pid,
		    p->fault ? "was killed: " : "", p->fault ? p->fault : how.text);
	answer_all(p, &o);
	return true;
}

static void give_up(struct prober *p) {
	struct outcome o;
	size_t i = 0;

	p->give_up_at = USEC_INFINITY;
	while (i < PROBERS_STUCK_MAX && p->stuck[i] != 0)
		i++;
	/* With so many of them it is the machine. */
	if (i == PROBERS_STUCK_MAX)
		return;
	log_warning("sdwd-prober (pid %d) outlives SIGKILL, in a call that hangs (a file server?); "
		    "another one takes its place",
		    p->pid);
	p->stuck[i] = p->pid;
	back_off(p);
	outcome_set(&o, CAUSE_PROBER, "the prober hangs");
	answer_all(p, &o);
}

void prober_turn(struct prober *p, usec_t now) {
	if (p->give_up_at <= now && !p->has_ended)
		give_up(p);
	if (p->kill_at > now)
		return;
	on_readable(p->loop, &p->io, EV_READ);
	if (p->kill_at <= now)
		hang_up(p, "it did not answer in time");
}

usec_t prober_next_at(const struct prober *p) {
	return p->has_ended ? USEC_INFINITY : MIN(p->kill_at, p->give_up_at);
}

void prober_end(struct prober *p) {
	p->has_ended = true;
	hang_up(p, NULL);
}

pid_t prober_left(const struct prober *p) {
	pid_t left = p->pid;

	for (size_t i = 0; i < PROBERS_STUCK_MAX && left == 0; i++)
		left = p->stuck[i];
	return left;
}

void prober_done(struct prober *p) {
	prober_end(p);
	p->program_fd = fd_close(p->program_fd);
	p->calls = NULL;
}
