/* SPDX-License-Identifier: MIT */
#include "conf/probe_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "conf/probe_conf.h"

/* True where an earlier item of @given is of the same option. */
static bool is_repeated(const struct conf_givens *given, size_t i) {
	for (size_t k = 0; k < i; k++)
		if (given->items[k].option == given->items[i].option)
			return true;
	return false;
}

int probe_conf_write(const struct probe_conf *p, struct text *words) {
	char timeout[USEC_STR_MAX];

	opt_add_word(words, p->kind->name, NULL);
	opt_add_word(words, p->target ? p->target : "", NULL);
	if (p->timeout_usec > 0)
		opt_add_word(words, "timeout", usec_str(timeout, p->timeout_usec));
	for (size_t i = 0; i < p->given.n_items; i++) {
		const struct conf_given *g = &p->given.items[i];

		if (!opt_find(p->kind->options, g->name))
			continue;
		if (!g->option->write)
			opt_add_word(words, g->name, g->value);
		else if (!is_repeated(&p->given, i))
			g->option->write(g->option, (char *)p->settings + g->option->offset, words);
	}
	return words->is_cut ? -EMSGSIZE : 0;
}

static int no_memory(struct text *error) {
	text_add(error, "out of memory");
	return -ENOMEM;
}

/* Reads one option, "name" or "name=value", into @p. */
static int read_option(struct probe_conf *p, const char *word, struct text *error) {
	const char *value = strchrnul(word, '=');
	const struct opt *o;
	char name[64];
	void *base;

	if ((size_t)(value - word) >= sizeof(name)) {
		text_add(error, "an option's name is too long");
		return -EINVAL;
	}
	memcpy(name, word, (size_t)(value - word));
	name[value - word] = '\0';
	value = *value == '=' ? value + 1 : NULL;
	o = conf_probe_option(p->kind, name);
	if (!o || (!value && conf_option_argument(o) == CONF_REQUIRED)) {
		text_addf(error, "--%s: %s", name, o ? "needs a value" : "unknown option");
		return -EINVAL;
	}
	text_addf(error, "--%s: ", name);
	base = opt_find(probe_options, name) ? (void *)p : p->settings;
	return o->parse(o, value, (char *)base + o->offset, error);
}

int probe_conf_read(const char *words, size_t length, const struct probe_kind *const *kinds,
		    struct probe_conf **ret, struct text *error) {
	cleanup(probe_conf_freep) struct probe_conf *p = NULL;
	const struct probe_kind *kind = conf_find_kind(words, kinds);
	const char *target = words + strlen(words) + 1, *word;
	size_t begin = error->length;
	int r;

	if (!kind) {
		text_add(error, "unknown kind of probe");
		return -EINVAL;
	}
	if (*target == '\0' && kind->argument && !kind->argument_is_optional) {
		text_addf(error, "--%s: needs a value", kind->name);
		return -EINVAL;
	}
	p = probe_conf_new(kind);
	if (!p || (*target != '\0' && !(p->target = strdup(target))))
		return no_memory(error);
	for (word = target + strlen(target) + 1; word < words + length; word += strlen(word) + 1) {
		r = read_option(p, word, error);
		if (r < 0)
			return r;
		/* Only of the one that is wrong the name is wanted. */
		error->length = begin;
		error->data[begin] = '\0';
	}
	r = kind->check ? kind->check(p->target, p->settings, error) : 0;
	if (r < 0)
		return r;
	*ret = p;
	p = NULL;
	return 0;
}
