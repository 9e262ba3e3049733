/* SPDX-License-Identifier: MIT */
/* What a unit's filters refuse of what sdwd and its probes do: networks, addresses, system calls.
 */
#include <stdlib.h>
#include <string.h>

#include "finding.h"
#include "unit_words.h"

/* Lists ------------------------------------------------------------------------------------ */

static bool is_one_of(const char *word, const char *name, const char *const *groups) {
	size_t length = strcspn(word, ":"); /* a system call's error may follow */

	if (strlen(name) == length && strncmp(word, name, length) == 0)
		return true;
	for (; groups && *groups; groups++)
		if (strlen(*groups) == length && strncmp(word, *groups, length) == 0)
			return true;
	return false;
}

bool list_allows(const struct unit_settings *s, const char *name, const char *word,
		 const char *const *groups) {
	bool is_there = false, is_allow_list = false, is_in = false;

	for (const struct unit_setting *i = unit_next(s, name, NULL); i;
	     i = unit_next(s, name, i)) {
		bool is_denying = i->value[0] == '~';
		const char *p = i->value + is_denying;
		char *item;

		if (i->value[0] == '\0')
			continue;
		/* The first line says what kind of list it is. */
		if (!is_there)
			is_allow_list = !is_denying;
		is_there = true;
		while (unit_word_next(&p, &item) > 0) {
			if (is_one_of(item, word, groups))
				is_in = is_denying != is_allow_list;
			free(item);
		}
	}
	return !is_there || is_in == is_allow_list;
}

/* Networks --------------------------------------------------------------------------------- */

/* The host that @p connects to into @host, as it stands in its target. False: it makes no
 * connection over a network. */
static bool host_of(const struct probe_conf *p, char *host, size_t size) {
	const char *from = p->target, *end;
	const struct conf_given *connect = conf_find_given(&p->given, "http-connect");
	bool is_http = strcmp(p->kind->name, "http") == 0;

	if (!from ||
	    (!is_http && strcmp(p->kind->name, "tcp") != 0 && strcmp(p->kind->name, "grpc") != 0))
		return false;
	if (is_http && conf_find_given(&p->given, "http-unix"))
		return false;
	if (connect && connect->value)
		from = connect->value;
	if (strstr(from, "://"))
		from = strstr(from, "://") + strlen("://");
	end = from[0] == '[' ? strchr(from, ']') : from + strcspn(from, ":/");
	if (!end || (size_t)(end - from) >= size)
		return false;
	from += from[0] == '[';
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	return true;
}

static bool is_loopback(const char *host) {
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
	       strcmp(host, "::1") == 0;
}

static bool has_any(const struct unit_settings *s, const char *name, bool with_loopback) {
	static const char *const loopback[] = {"localhost", "127.0.0.0/8", "127.0.0.1",
					       "::1",       "::1/128",     "127.0.0.1/32"};

	if (unit_has_word(s, name, "any") || unit_has_word(s, name, "0.0.0.0/0"))
		return true;
	for (size_t i = 0; with_loopback && i < ARRAY_SIZE(loopback); i++)
		if (unit_has_word(s, name, loopback[i]))
			return true;
	return false;
}

static void check_address(struct findings *f, const struct probe_conf *p, const char *host) {
	const struct unit_settings *s = &f->unit->settings;
	bool is_local = is_loopback(host);

	if (!is_local && unit_yes(s, "PrivateNetwork"))
		found(f, SERIOUS, "PrivateNetwork=no",
		      "PrivateNetwork=yes: --%s=%s cannot be reached, only the service's own "
		      "loopback is there",
		      p->kind->name, p->target);
	if (is_local && has_any(s, "IPAddressDeny", true) && !has_any(s, "IPAddressAllow", true))
		found(f, SERIOUS, "IPAddressAllow=localhost",
		      "IPAddressDeny=: --%s=%s gets no answer, the service's own addresses are "
		      "refused as well",
		      p->kind->name, p->target);
	/* Which of the allowed addresses it is cannot be told from a name. */
	if (!is_local && has_any(s, "IPAddressDeny", false) &&
	    !unit_next(s, "IPAddressAllow", NULL))
		found(f, SERIOUS, "IPAddressAllow= with the address of the probe",
		      "IPAddressDeny=any: --%s=%s gets no answer", p->kind->name, p->target);
	if (!list_allows(s, "RestrictAddressFamilies", strchr(host, ':') ? "AF_INET6" : "AF_INET",
			 NULL))
		found(f, SERIOUS,
		      strchr(host, ':') ? "RestrictAddressFamilies=AF_INET6"
					: "RestrictAddressFamilies=AF_INET",
		      "RestrictAddressFamilies=: --%s=%s may not be connected to", p->kind->name,
		      p->target);
}

static void check_networks(struct findings *f) {
	char host[256];

	if (!list_allows(&f->unit->settings, "RestrictAddressFamilies", "AF_UNIX", NULL))
		found(f, SERIOUS, "RestrictAddressFamilies=AF_UNIX",
		      "RestrictAddressFamilies= without AF_UNIX: sdwd cannot speak to systemd");
	for (size_t i = 0; i < f->conf->n_probes; i++)
		if (host_of(f->conf->probes[i], host, sizeof(host)))
			check_address(f, f->conf->probes[i], host);
}

/* System calls ----------------------------------------------------------------------------- */

/* One of each group that sdwd cannot be without. */
static void check_system_calls(struct findings *f) {
	static const struct {
		const char *call, *group;
	} needs[] = {
		{"read", "@basic-io"},  {"openat", "@file-system"}, {"epoll_wait", "@io-event"},
		{"pipe2", "@ipc"},      {"sendmsg", "@network-io"}, {"socket", "@network-io"},
		{"clone", "@process"},  {"kill", "@process"},       {"prctl", "@process"},
		{"waitid", "@process"}, {"signalfd4", "@signal"},
	};
	const struct unit_settings *s = &f->unit->settings;

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		const char *const groups[] = {needs[i].group, "@system-service", "@known", NULL};

		if (list_allows(s, "SystemCallFilter", needs[i].call, groups))
			continue;
		found(f, SERIOUS, "SystemCallFilter=@system-service",
		      "SystemCallFilter=: sdwd needs %s and all else of %s", needs[i].call,
		      needs[i].group);
		return;
	}
}

void check_filters(struct findings *f) {
	if (!is_sandboxed(f))
		return;
	check_networks(f);
	check_system_calls(f);
}
