/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>

#include "base/defs.h"

/*
 * Reads the text of NOTIFY_SOCKET: "/path", "@abstract", "vsock:CID:PORT", "vsock-stream:...",
 * "vsock-dgram:...", "vsock-seqpacket:...". @ret_type is SOCK_DGRAM for the first two, the type
 * named for vsock, and 0 where it leaves the type open. Returns 0, -EINVAL (malformed), or
 * -ENAMETOOLONG.
 */
int notify_address_parse(const char *text, struct sockaddr_storage *ret_address,
			 socklen_t *ret_length, int *ret_type);
