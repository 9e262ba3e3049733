/* SPDX-License-Identifier: MIT */
/* What may be asked of us, by whom, and what is done then. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/text.h"

#define SERVICE "org.varlink.service"
#define SUPERVISOR "sdwd.Supervisor"

struct request {
	struct supervisor *s;
	struct control_client *client;
	const struct varlink_call *call;
	size_t *ret_length;
};

static char *fail(const struct request *q, const char *error, const char *name, const char *value) {
	return control_reply_error(error, name, value, q->ret_length);
}

static char *wrong_parameter(const struct request *q, const char *name) {
	return fail(q, SERVICE ".InvalidParameter", "parameter", name);
}

static char *done(const struct request *q, const char *refusal) {
	return refusal ? fail(q, SUPERVISOR ".NotPossible", "reason", refusal)
		       : control_reply_empty(q->ret_length);
}

static bool is_text(const struct varlink_parameter *p) {
	return p && p->kind == VARLINK_STRING;
}

/* For the log. */
struct who {
	char text[64];
};

static struct who who_of(const struct request *q) {
	struct who who;

	snprintf(who.text, sizeof(who.text), "uid %u (pid %d)", q->client->peer.uid,
		 q->client->peer.pid);
	return who;
}

static char *get_info(const struct request *q) {
	return control_reply_info(q->ret_length);
}

static char *get_description(const struct request *q) {
	const struct varlink_parameter *p = varlink_find(q->call, "interface");

	if (!is_text(p))
		return wrong_parameter(q, "interface");
	if (strcmp(p->text, SUPERVISOR) == 0)
		return control_reply_description(control_interface, q->ret_length);
	if (strcmp(p->text, SERVICE) == 0)
		return control_reply_description(control_service_interface, q->ret_length);
	return fail(q, SERVICE ".InterfaceNotFound", "interface", p->text);
}

static char *get_status(const struct request *q) {
	return control_reply_status(q->s, false, q->ret_length);
}

static char *watch(const struct request *q) {
	if (!q->call->wants_more || q->call->is_oneway)
		return fail(q, SERVICE ".ExpectedMore", NULL, NULL);
	q->client->is_watching = true;
	return NULL;
}

static char *pause_for(const struct request *q) {
	const struct varlink_parameter *p = varlink_find(q->call, "forUsec");
	usec_t for_usec = USEC_INFINITY;

	if (p && p->kind != VARLINK_NULL) {
		if (p->kind != VARLINK_INT || p->number <= 0)
			return wrong_parameter(q, "forUsec");
		for_usec = (usec_t)p->number;
	}
	return done(q, pause_begin(q->s, for_usec, who_of(q).text));
}

static char *resume(const struct request *q) {
	return done(q, pause_end(q->s, who_of(q).text));
}

static char *drill(const struct request *q) {
	const struct varlink_parameter *p = varlink_find(q->call, "probe");

	if (!is_text(p))
		return wrong_parameter(q, "probe");
	for (size_t i = 0; i < q->s->n_slots; i++)
		if (strcmp(supervisor_probe_name(q->s, (ptrdiff_t)i), p->text) == 0)
			return done(q, pause_drill(q->s, i, who_of(q).text));
	return fail(q, SUPERVISOR ".NoSuchProbe", "probe", p->text);
}

static const struct method {
	const char *name, *parameter; /* the one it knows; NULL: none */
	bool changes;                 /* only for us and root */
	char *(*answer)(const struct request *q);
} methods[] = {
	{SERVICE ".GetInfo", NULL, false, get_info},
	{SERVICE ".GetInterfaceDescription", "interface", false, get_description},
	{SUPERVISOR ".GetStatus", NULL, false, get_status},
	{SUPERVISOR ".Watch", NULL, false, watch},
	{SUPERVISOR ".Pause", "forUsec", true, pause_for},
	{SUPERVISOR ".Resume", NULL, true, resume},
	{SUPERVISOR ".Drill", "probe", true, drill},
};

static char *not_found(const struct request *q) {
	static const char *const interfaces[] = {SERVICE, SUPERVISOR};
	const char *method = q->call->method, *dot = strrchr(method, '.');
	char interface[VARLINK_NAME_MAX];

	snprintf(interface, sizeof(interface), "%.*s", (int)(dot ? dot - method : 0), method);
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strcmp(interface, interfaces[i]) == 0)
			return fail(q, SERVICE ".MethodNotFound", "method", method);
	return fail(q, SERVICE ".InterfaceNotFound", "interface", interface);
}

char *control_answer(struct supervisor *s, struct control_client *client,
		     const struct varlink_call *call, size_t *ret_length) {
	const struct request q = {.s = s, .client = client, .call = call, .ret_length = ret_length};
	const struct method *m = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(methods) && !m; i++)
		if (strcmp(call->method, methods[i].name) == 0)
			m = &methods[i];
	if (!m)
		return not_found(&q);
	for (size_t i = 0; i < call->n_parameters; i++)
		if (!m->parameter || strcmp(call->parameters[i].name, m->parameter) != 0)
			return wrong_parameter(&q, call->parameters[i].name);
	if (m->changes && client->peer.uid != 0 && client->peer.uid != geteuid())
		return fail(&q, SERVICE ".PermissionDenied", NULL, NULL);
	/* It is a text of its own. */
	/* cppcheck-suppress returnDanglingLifetime */
	return m->answer(&q);
}
