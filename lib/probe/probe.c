/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "probe/remote.h"
#include "sys/dial.h"
#include "sys/peer_sock.h"

static const struct probe_class *class_of(const struct probe_kind *kind) {
	for (size_t i = 0; probe_registry[i]; i++)
		if (probe_registry[i]->kind == kind)
			return probe_registry[i];
	assert(false);
	return NULL;
}

int probe_new(const struct probe_conf *conf, struct probe_owner *owner, struct ev_loop *loop,
	      struct probe **ret, struct text *error) {
	const struct probe_class *class = class_of(conf->kind);
	struct probe *p;
	int r;

	if (conf_needs_prober(conf) && !class->asks)
		class = &probe_remote;
	p = calloc(1, class->size);
	if (!p)
		return -ENOMEM;
	p->class = class;
	p->conf = conf;
	p->owner = owner;
	p->loop = loop;
	r = class->init ? class->init(p, error) : 0;
	if (r < 0) {
		probe_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void probe_free(struct probe *p) {
	if (!p)
		return;
	p->class->done(p);
	free(p);
}

static bool is_unix(const struct dial_target *server) {
	return server->addresses[0].any.sa_family == AF_UNIX;
}

ssize_t probe_recv(const struct dial_target *server, int fd, void *buffer, size_t size) {
	return is_unix(server) ? peer_recv(fd, buffer, size) : recv(fd, buffer, size, 0);
}

void probe_hang_up(struct probe *p, const struct dial_target *server, int fd) {
	if (!is_unix(server)) {
		fd_close(fd);
		return;
	}
	if (!peer_hang_up(fd))
		p->owner->on_unclosed(p->owner, p, fd);
}
