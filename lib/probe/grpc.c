/* SPDX-License-Identifier: MIT */
#include "probe/grpc.h"

#include <errno.h>
#include <string.h>

#include "probe/unix_path.h"

static const struct opt grpc_options[] = {
	{
		.name = "grpc-unix",
		.argument = "PATH",
		.help = "grpc: connect to this Unix socket (@NAME: an abstract one); the host is "
			"only named in the request, and needs no port",
		.parse = unix_path_parse,
		.write = unix_path_write,
		.offset = offsetof(struct grpc_settings, unix_target),
	},
	{
		.name = "grpc-tls",
		.help = "grpc: over TLS",
		.parse = opt_parse_flag,
		.offset = offsetof(struct grpc_settings, is_tls),
	},
	{
		.name = "grpc-ca",
		.argument = "FILE",
		.help = "grpc: trust these certificate authorities (PEM) and no others",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct grpc_settings, tls.ca),
	},
	{
		.name = "grpc-cert",
		.argument = "FILE",
		.help = "grpc: show this client certificate (PEM)",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct grpc_settings, tls.cert),
	},
	{
		.name = "grpc-key",
		.argument = "FILE",
		.help = "grpc: the private key of --grpc-cert (PEM), where that file has none",
		.parse = tls_parse_file,
		.write = tls_write_file,
		.offset = offsetof(struct grpc_settings, tls.key),
	},
	{
		.name = "grpc-insecure",
		.help = "grpc: take any certificate of the server",
		.parse = opt_parse_flag,
		.offset = offsetof(struct grpc_settings, tls.is_insecure),
	},
	{NULL},
};

static int refuse(struct text *error, const char *value, const char *reason) {
	char quoted[OPT_QUOTED_MAX];

	text_addf(error, "%s %s", opt_quoted(quoted, value), reason);
	return -EINVAL;
}

static int parse_service(struct grpc_settings *s, const char *service, const char *value,
			 struct text *error) {
	size_t length = strlen(service);

	if (length >= sizeof(s->service))
		return refuse(error, value, "has a service that is too long");
	if (!text_is_utf8(service, length))
		return refuse(error, value, "has a service that is no UTF-8");
	for (const char *p = service; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return refuse(error, value,
				      "has a blank or control character in its service");
	memcpy(s->service, service, length + 1);
	return 0;
}

/* How gRPC's own clients name a socket, and how others may. */
static bool is_socket(const char *target) {
	return strncmp(target, "unix:", 5) == 0 || strncmp(target, "unix-abstract:", 14) == 0 ||
	       target[0] == '/' || target[0] == '@';
}

/* Where the connection leads elsewhere the port is only said, and that of the scheme is not. */
static void add_port(const struct grpc_settings *s, struct text *server) {
	const char *end = server->data[0] == '[' ? strchrnul(server->data, ']') : server->data;

	if (s->unix_target.n_addresses > 0 && !strchr(end, ':'))
		text_add(server, s->is_tls ? ":443" : ":80");
}

static int parse_server(struct grpc_settings *s, const char *target, size_t length,
			struct text *error) {
	char buffer[HOST_PORT_HOST_MAX + 16];
	struct text server = TEXT_OVER(buffer);
	int r;

	text_add_bytes(&server, target, length);
	if (length > 0)
		add_port(s, &server);
	if (server.is_cut)
		return refuse(error, target, "has a host that is too long");
	r = host_port_parse(&s->server, buffer, error);
	if (r == 0 && s->unix_target.n_addresses > 0) {
		s->server.target = s->unix_target;
		s->server.is_name = false;
	}
	return r;
}

static int grpc_check(const char *target, void *settings, struct text *error) {
	struct grpc_settings *s = settings;
	size_t length = strcspn(target, "/");
	int r;

	if (is_socket(target))
		return refuse(error, target,
			      "is a socket's name; what is wanted is HOST[/SERVICE] (localhost "
			      "will do) with --grpc-unix=PATH");
	if (strstr(target, "://"))
		return refuse(error, target, "is a URL; what is wanted is HOST:PORT[/SERVICE]");
	r = parse_server(s, target, length, error);
	if (r == 0)
		r = parse_service(s, target[length] == '/' ? target + length + 1 : "", target,
				  error);
	if (r == 0)
		r = tls_settings_check(&s->tls, "--grpc-", s->is_tls ? NULL : "needs --grpc-tls",
				       error);
	return r;
}

static void grpc_settings_done(void *settings) {
	struct grpc_settings *s = settings;

	tls_settings_done(&s->tls);
}

static const char *needs_prober(const void *settings) {
	return "gRPC";
}

static const struct probe_kind grpc_kind = {
	.name = "grpc",
	.argument = "HOST:PORT[/SERVICE]",
	.help = "good when the gRPC health service there answers SERVING",
	.mode = PROBE_PULL,
	.options = grpc_options,
	.settings_size = sizeof(struct grpc_settings),
	.check = grpc_check,
	.settings_done = grpc_settings_done,
	.needs_prober = needs_prober,
};

const struct probe_class probe_grpc = {.kind = &grpc_kind};
