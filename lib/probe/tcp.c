/* SPDX-License-Identifier: MIT */
#include "probe/tcp.h"

#include <errno.h>

#include "probe/stream.h"

static const struct opt tcp_options[] = {STREAM_OPTIONS, {NULL}};

static int tcp_check(const char *target, void *settings, struct text *error) {
	struct tcp_settings *s = settings;
	char quoted[OPT_QUOTED_MAX];
	int r = host_port_parse(&s->address, target, error);

	if (r < 0)
		return r;
	if (s->address.is_name) {
		text_addf(error,
			  "the host name %s is not looked up: give a numeric address, or localhost",
			  opt_quoted(quoted, s->address.host));
		return -EINVAL;
	}
	s->stream.target = s->address.target;
	return 0;
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
};

const struct probe_class probe_tcp = {
	.kind = &tcp_kind,
	.size = sizeof(struct stream_probe),
	.start = stream_start,
	.expire = stream_expire,
	.cancel = stream_cancel,
	.done = stream_cancel,
};
