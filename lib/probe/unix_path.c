/* SPDX-License-Identifier: MIT */
#include "probe/unix_path.h"

#include <errno.h>
#include <string.h>

#include "sys/dial.h"
#include "sys/file_system.h"

int unix_path_parse(const struct opt *o, const char *value, void *field, struct text *error) {
	struct dial_target parsed;
	char quoted[OPT_QUOTED_MAX];
	int r = dial_target_path(&parsed, value);

	if (r < 0) {
		text_addf(error, "%s: %s", opt_quoted(quoted, value),
			  r == -ENAMETOOLONG ? "the path of a socket has at most 107 bytes"
			  : r == -EINVAL     ? "the path is empty"
					     : strerror(-r));
		return r;
	}
	*(struct dial_target *)field = parsed;
	return 0;
}

void unix_path_write(const struct opt *o, const void *field, struct text *words) {
	const struct dial_target *target = field;
	const struct dial_address *a = &target->addresses[0];
	size_t length = a->length - offsetof(struct sockaddr_un, sun_path);
	char path[sizeof(a->un.sun_path) + 1];

	memcpy(path, a->un.sun_path, length);
	path[length] = '\0';
	if (path[0] == '\0')
		path[0] = '@';
	opt_add_word(words, o->name, path);
}

const char *unix_path_note(const struct dial_target *target) {
	const char *path = target->addresses[0].un.sun_path;

	if (path[0] == '\0' || !file_system_that_waits(path))
		return NULL;
	return "the socket lies on a file system that may hang (NFS, FUSE), and sdwd with it: use "
	       "one in /run";
}
