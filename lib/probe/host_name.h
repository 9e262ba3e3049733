/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/* What names, and IPv4 addresses, are made of. */
#define HOST_NAME_CHARACTERS "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/*
 * True where @host may be a name: labels of letters, digits, hyphens (RFC 1123 section 2.1) and
 * underscores with dots between them, and perhaps one behind the last.  It is none where the last
 * label is a number, decimal or as 0x7f: that is an address, or a mistyped one, and nobody looks it
 * up.
 */
bool host_name_is_valid(const char *host);
