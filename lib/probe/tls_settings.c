/* SPDX-License-Identifier: MIT */
#include "probe/tls_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int tls_parse_file(const struct opt *o, const char *value, void *field, struct text *error) {
	char path[PATH_MAX] = "", quoted[OPT_QUOTED_MAX], byte;
	struct text t = {.data = path, .size = sizeof(path)};
	cleanup(fd_closep) int fd = -1;
	char **kept = field, *copy;

	if (value[0] != '/' && value[0] != '\0') {
		if (!getcwd(path, sizeof(path)))
			goto failed;
		t.length = strlen(path);
		text_add(&t, strcmp(path, "/") == 0 ? "" : "/");
	}
	text_add(&t, value);
	errno = ENAMETOOLONG;
	if (t.is_cut)
		goto failed;
	/* Not held up by a FIFO; read(2) tells a folder from a file. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || read(fd, &byte, 1) < 0)
		goto failed;
	copy = strdup(path);
	if (!copy) {
		text_add(error, "out of memory");
		return -ENOMEM;
	}
	free(*kept);
	*kept = copy;
	return 0;

failed:
	text_addf(error, "%s: %s", opt_quoted(quoted, value), strerror(errno));
	return -EINVAL;
}

void tls_write_file(const struct opt *o, const void *field, struct text *words) {
	opt_add_word(words, o->name, *(char *const *)field);
}

int tls_settings_check(const struct tls_settings *s, const char *prefix, const char *why_not,
		       struct text *error) {
	const char *first = s->ca ? "ca" : s->cert ? "cert" : s->key ? "key" : "insecure";

	if (why_not) {
		if (!s->ca && !s->cert && !s->key && !s->is_insecure)
			return 0;
		text_addf(error, "%s%s %s", prefix, first, why_not);
		return -EINVAL;
	}
	if (s->key && !s->cert) {
		text_addf(error, "%skey needs %scert", prefix, prefix);
		return -EINVAL;
	}
	if (s->is_insecure && s->ca) {
		text_addf(error, "%sca has no effect with %sinsecure", prefix, prefix);
		return -EINVAL;
	}
	return 0;
}

void tls_settings_done(struct tls_settings *s) {
	free(s->ca);
	free(s->cert);
	free(s->key);
	*s = (struct tls_settings){0};
}
