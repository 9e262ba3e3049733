/* SPDX-License-Identifier: MIT */
#include "probe/unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/stream.h"
#include "probe/unix_path.h"
#include "sys/proc.h"

/*
 * --peer=child asks the kernel who listens: SO_PEERCRED of a connected socket names the process
 * that called listen(2) (unix(7)), whoever accepts.  What descends from us is the child, or what
 * the child made, or it belongs to a check or hook of ours, which proves nothing of the service.
 */

static const struct opt_word peer_words[] = {{"child", 1}, {NULL}};

static const struct opt unix_options[] = {
	STREAM_OPTIONS,
	{
		.name = "peer",
		.argument = "child",
		.help = "only good if the child or a descendant of it listens there",
		.parse = opt_parse_word,
		.offset = offsetof(struct unix_settings, peer),
		.words = peer_words,
		.flags = OPT_OWN_ONLY,
	},
	{NULL},
};

/* Somebody who is there, and none of the service. */
static void set_stranger(struct outcome *ret, pid_t pid, const char *what) {
	char name[64] = "?";

	(void)proc_read_comm(pid, name, sizeof(name));
	outcome_set(ret, CAUSE_WRONG_PEER, "pid %d (%s) listens there, which %s", pid, name, what);
}

static bool judge_peer(struct probe *p, int fd, struct outcome *ret) {
	struct ucred peer;
	socklen_t size = sizeof(peer);
	char what[64];
	struct text t = TEXT_OVER(what);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		outcome_from_errno(ret, "SO_PEERCRED", errno);
		return true;
	}
	if (peer.pid == 0) {
		outcome_set(ret, CAUSE_WRONG_PEER,
			    "a process of another PID namespace listens there");
		return true;
	}
	if (p->owner->is_helper(p->owner, peer.pid)) {
		set_stranger(ret, peer.pid, "belongs to a check or hook of sdwd's");
		return true;
	}
	r = proc_is_descendant(peer.pid);
	if (r > 0)
		return false;
	if (r == -ESRCH) {
		outcome_set(ret, CAUSE_WRONG_PEER, "pid %d, which listened there, has ended",
			    peer.pid);
	} else if (r < 0) {
		text_addf(&t, "whose process pid %d is", peer.pid);
		outcome_from_errno(ret, what, -r);
	} else
		set_stranger(ret, peer.pid, "is no process of this service");
	return true;
}

static int unix_check(const char *target, void *settings, struct text *error) {
	struct unix_settings *s = settings;
	char quoted[OPT_QUOTED_MAX];
	int r = strcmp(target, "@") == 0 ? -EINVAL : dial_target_path(&s->stream.target, target);

	if (r < 0) {
		text_addf(error, "%s: %s", opt_quoted(quoted, target),
			  r == -ENAMETOOLONG ? "the path of a socket has at most 107 bytes"
			  : r == -EINVAL     ? "the name is empty"
					     : strerror(-r));
		return r;
	}
	s->stream.judge_peer = s->peer != 0 ? judge_peer : NULL;
	return 0;
}

static const char *note(const void *settings) {
	const struct unix_settings *s = settings;
	const char *place = unix_path_note(&s->stream.target);

	return place ? place : stream_note(settings);
}

static const struct probe_kind unix_kind = {
	.name = "unix",
	.argument = "PATH",
	.help = "the same as --tcp at a Unix stream socket (@NAME: an abstract one)",
	.mode = PROBE_PULL,
	.options = unix_options,
	.settings_size = sizeof(struct unix_settings),
	.check = unix_check,
	.settings_done = stream_settings_done,
	.note = note,
};

const struct probe_class probe_unix = {
	.kind = &unix_kind,
	.size = sizeof(struct stream_probe),
	.start = stream_start,
	.expire = stream_expire,
	.cancel = stream_cancel,
	.done = stream_cancel,
};
