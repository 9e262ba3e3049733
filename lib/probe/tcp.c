/* SPDX-License-Identifier: MIT */
#include "probe/tcp.h"

#include "probe/stream.h"

static const struct opt tcp_options[] = {STREAM_OPTIONS, {NULL}};

static int tcp_check(const char *target, void *settings, struct text *error) {
	struct tcp_settings *s = settings;
	int r = host_port_parse(&s->address, target, error);

	if (r < 0)
		return r;
	s->stream.target = s->address.target;
	s->stream.name = s->address.is_name ? &s->address : NULL;
	return 0;
}

static const char *tcp_needs_prober(const void *settings) {
	const struct tcp_settings *s = settings;

	return s->stream.name ? "a host name" : NULL;
}

static const struct probe_kind tcp_kind = {
	.name = "tcp",
	.argument = "HOST:PORT",
	.help = "good when it accepts a connection, and answers as --expect asks",
	.mode = PROBE_PULL,
	.options = tcp_options,
	.settings_size = sizeof(struct tcp_settings),
	.check = tcp_check,
	.settings_done = stream_settings_done,
	.note = stream_note,
	.needs_prober = tcp_needs_prober,
};

const struct probe_class probe_tcp = {
	.kind = &tcp_kind,
	.size = sizeof(struct stream_probe),
	.asks = true,
	.start = stream_start,
	.expire = stream_expire,
	.cancel = stream_cancel,
	.done = stream_cancel,
};
