/* SPDX-License-Identifier: MIT */
/* One instance told to do something, and what it may answer. */
#include "tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

/* "http, tcp" */
static void add_probes(struct text *t, struct json_object *status) {
	size_t n = field_count(status, "probes");

	for (size_t at = 0; at < n; at++) {
		char name[INSTANCE_LABEL_MAX];

		field_clean(field_at(status, "probes", at), "name", name, sizeof(name));
		text_addf(t, "%s%s", at > 0 ? ", " : "", name);
	}
	if (n == 0)
		text_add(t, "none");
}

/* The error that @reply is, in our words. */
static void explain(struct text *t, const struct instance *i, struct json_object *reply) {
	struct json_object *parameters = field(reply, "parameters");
	char text[INSTANCE_ERROR_MAX], quoted[OPT_QUOTED_MAX];

	if (field_says(reply, "error", "org.varlink.service.PermissionDenied")) {
		if (i->uid == 0)
			text_add(t, "permission denied: only root may");
		else
			text_addf(t, "permission denied: only root and user %u may",
				  (unsigned)i->uid);
	} else if (field_says(reply, "error", "sdwd.Supervisor.NoSuchProbe")) {
		field_clean(parameters, "probe", text, sizeof(text));
		text_addf(t, "no probe %s; there are: ", opt_quoted(quoted, text));
		add_probes(t, i->status);
	} else if (field_says(reply, "error", "sdwd.Supervisor.NotPossible")) {
		text_addf(t, "not possible: %s",
			  field_clean(parameters, "reason", text, sizeof(text)));
	} else {
		text_addf(t, "it answers with the error %s",
			  field_clean(reply, "error", text, sizeof(text)));
	}
}

static int call(const struct verb *v, const struct instance *i, const char *method,
		struct json_object *parameters, usec_t timeout_usec) {
	struct json_object *reply = NULL;
	char name[64], line[1024];
	struct text error = TEXT_OVER(line);
	int r;

	snprintf(name, sizeof(name), "sdwd.Supervisor.%s", method);
	r = client_call(i, name, parameters, timeout_usec, &reply, &error);
	if (r > 0)
		explain(&error, i, reply);
	json_object_put(reply);
	if (r == 0)
		return CTL_WELL;
	fprintf(stderr, "sdwdctl: %s: %s: %s\n", v->name, i->label, line);
	return r > 0 ? CTL_UNWELL : CTL_CANNOT;
}

/* The one, or NULL after what there is to say, with the exit status in *@ret. */
static const struct instance *find(const struct verb *v, const struct instances *all,
				   const char *label, int *ret) {
	bool *is_asked = calloc(all->n + 1, sizeof(*is_asked));
	bool is_believed = false;
	size_t n_bad;

	*ret = CTL_CANNOT;
	if (!is_asked) {
		*ret = no_memory(v);
		return NULL;
	}
	for (size_t at = 0; at < all->n; at++) {
		is_asked[at] = instance_matches(all->list + at, label);
		is_believed = is_believed || (is_asked[at] && all->list[at].is_believed);
	}
	n_bad = instances_complain(all, v->name, is_asked);
	free(is_asked);
	if (n_bad > 0 && !is_believed)
		return NULL;
	*ret = CTL_UNWELL;
	return instances_pick(all, v->name, label);
}

int tell(const struct verb *v, const char *label, const char *method,
	 struct json_object *parameters, usec_t timeout_usec,
	 char ret_label[static INSTANCE_LABEL_MAX]) {
	const struct instance *i;
	struct instances all;
	int status, r = instances_ask(&all, timeout_usec);

	if (r < 0) {
		fprintf(stderr, "sdwdctl: %s: %s\n", v->name, strerror(-r));
		return CTL_CANNOT;
	}
	i = find(v, &all, label, &status);
	if (i) {
		status = call(v, i, method, parameters, timeout_usec);
		snprintf(ret_label, INSTANCE_LABEL_MAX, "%s", i->label);
	}
	instances_done(&all);
	return status;
}
