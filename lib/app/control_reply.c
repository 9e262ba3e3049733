/* SPDX-License-Identifier: MIT */
/*
 * Replies as JSON.  Each constructor may fail for want of memory: json-c wants no NULL where an
 * object is to be filled, so an object that is not there takes what it would get and forgets it,
 * and the whole reply counts as failed.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/text.h"

struct maker {
	bool has_failed;
};

static struct json_object *object(struct maker *m) {
	struct json_object *o = json_object_new_object();

	m->has_failed |= !o;
	return o;
}

static struct json_object *array(struct maker *m) {
	struct json_object *o = json_object_new_array();

	m->has_failed |= !o;
	return o;
}

static struct json_object *text(struct maker *m, const char *value) {
	char clean[NOTIFY_MSG_MAX];
	struct json_object *o;

	/* A label is what the user wrote. */
	if (!text_is_utf8(value, strlen(value))) {
		(void)text_clean(clean, sizeof(clean), value, strlen(value));
		value = clean;
	}
	o = json_object_new_string(value);
	m->has_failed |= !o;
	return o;
}

/* What has no end is null. */
static struct json_object *number(struct maker *m, uint64_t value) {
	struct json_object *o;

	if (value == USEC_INFINITY)
		return NULL;
	o = json_object_new_int64((int64_t)MIN(value, (uint64_t)INT64_MAX));
	m->has_failed |= !o;
	return o;
}

static struct json_object *flag(struct maker *m, bool value) {
	struct json_object *o = json_object_new_boolean(value);

	m->has_failed |= !o;
	return o;
}

/* Takes @value; NULL is null. */
static void put(struct maker *m, struct json_object *o, const char *key,
		struct json_object *value) {
	if (o && json_object_object_add(o, key, value) == 0)
		return;
	json_object_put(value);
	m->has_failed = true;
}

static void append(struct maker *m, struct json_object *o, struct json_object *value) {
	if (o && json_object_array_add(o, value) == 0)
		return;
	json_object_put(value);
	m->has_failed = true;
}

/* Takes @reply and makes it a text. */
static char *finish(struct maker *m, struct json_object *reply, size_t *ret_length) {
	size_t length = 0;
	const char *made =
		m->has_failed
			? NULL
			: json_object_to_json_string_length(reply,
							    JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE,
							    &length);
	char *copy = made ? malloc(length + 1) : NULL;

	if (copy) {
		memcpy(copy, made, length + 1);
		*ret_length = length + 1;
	}
	json_object_put(reply);
	return copy;
}

static char *finish_parameters(struct maker *m, struct json_object *parameters,
			       size_t *ret_length) {
	struct json_object *reply = object(m);

	put(m, reply, "parameters", parameters);
	return finish(m, reply, ret_length);
}

char *control_reply_empty(size_t *ret_length) {
	struct maker m = {0};

	return finish_parameters(&m, object(&m), ret_length);
}

char *control_reply_error(const char *error, const char *name, const char *value,
			  size_t *ret_length) {
	struct maker m = {0};
	struct json_object *reply = object(&m), *parameters = object(&m);

	if (name)
		put(&m, parameters, name, text(&m, value));
	put(&m, reply, "error", text(&m, error));
	put(&m, reply, "parameters", parameters);
	return finish(&m, reply, ret_length);
}

char *control_reply_info(size_t *ret_length) {
	struct maker m = {0};
	struct json_object *p = object(&m), *interfaces = array(&m);

	put(&m, p, "vendor", text(&m, "sdwd"));
	put(&m, p, "product", text(&m, "sdwd"));
	put(&m, p, "version", text(&m, SDWD_VERSION));
	put(&m, p, "url", text(&m, "man:sdwd(1)"));
	append(&m, interfaces, text(&m, "org.varlink.service"));
	append(&m, interfaces, text(&m, "sdwd.Supervisor"));
	put(&m, p, "interfaces", interfaces);
	return finish_parameters(&m, p, ret_length);
}

char *control_reply_description(const char *description, size_t *ret_length) {
	struct maker m = {0};
	struct json_object *p = object(&m);

	put(&m, p, "description", text(&m, description));
	return finish_parameters(&m, p, ret_length);
}

/* The status ------------------------------------------------------------------------------------
 */

static struct json_object *looks_of(struct maker *m, const struct stats *stats) {
	struct json_object *o = object(m);

	for (int verdict = 0; verdict < VERDICT_MAX; verdict++)
		put(m, o, verdict_str((enum verdict)verdict), number(m, stats->verdicts[verdict]));
	return o;
}

static struct json_object *latency_of(struct maker *m, const struct stats *stats) {
	struct json_object *o = object(m), *buckets = array(m);

	for (size_t i = 0; i < STATS_BUCKETS; i++) {
		struct json_object *bucket = object(m);

		put(m, bucket, "le", number(m, stats_bound(i)));
		put(m, bucket, "n", number(m, stats_at_most(stats, i)));
		append(m, buckets, bucket);
	}
	put(m, o, "buckets", buckets);
	put(m, o, "sumUsec", number(m, stats->sum_usec));
	return o;
}

static struct json_object *history_of(struct maker *m, const struct stats *stats) {
	struct json_object *o = array(m);

	for (size_t i = 0; i < stats_n_history(stats); i++) {
		const struct stats_look *l = stats_look(stats, i);
		struct json_object *look = object(m);

		put(m, look, "v", text(m, verdict_str(l->verdict)));
		put(m, look, "us", number(m, l->latency_usec));
		append(m, o, look);
	}
	return o;
}

static struct json_object *lease_left_of(struct maker *m, const struct supervisor *s,
					 const struct health *h) {
	return h->state == HEALTH_UP ? number(m, usec_sub(lease_end(&h->lease), s->now)) : NULL;
}

static struct json_object *probe_of(struct maker *m, const struct supervisor *s, size_t i) {
	const struct slot *slot = &s->slots[i];
	const struct probe_conf *c = slot->probe->conf;
	const struct monitor_probe *p = &s->monitor.probes[i];
	const struct stats *stats = &slot->stats;
	size_t n = stats_n_history(stats);
	bool is_timed = c->kind->mode == PROBE_PULL;
	struct json_object *o = object(m);

	put(m, o, "name", text(m, c->name));
	put(m, o, "kind", text(m, c->kind->name));
	put(m, o, "optional", flag(m, c->is_optional));
	put(m, o, "state", text(m, health_state_str(p->health.state)));
	put(m, o, "drilled", flag(m, p->is_drilled));
	put(m, o, "verdict", slot->has_last ? text(m, verdict_str(slot->last.verdict)) : NULL);
	put(m, o, "cause", slot->has_last ? text(m, cause_str(slot->last.cause)) : NULL);
	put(m, o, "text", slot->has_last ? text(m, slot->last.text) : NULL);
	put(m, o, "latencyUsec",
	    is_timed && n > 0 ? number(m, stats_look(stats, n - 1)->latency_usec) : NULL);
	put(m, o, "ageUsec", n > 0 ? number(m, usec_sub(s->now, slot->looked_at)) : NULL);
	put(m, o, "fails", number(m, p->health.fails));
	put(m, o, "fall", number(m, p->health.conf.fall));
	put(m, o, "passes", number(m, p->health.passes));
	put(m, o, "rise", number(m, p->health.conf.rise));
	put(m, o, "leaseLeftUsec", lease_left_of(m, s, &p->health));
	put(m, o, "looks", looks_of(m, stats));
	put(m, o, "latency", is_timed ? latency_of(m, stats) : NULL);
	put(m, o, "history", history_of(m, stats));
	return o;
}

static const char *health_of(const struct supervisor *s) {
	static const char *const names[] = {
		[SERVICE_HEALTHY] = "healthy",
		[SERVICE_DEGRADED] = "degraded",
		[SERVICE_UNHEALTHY] = "unhealthy",
	};

	return names[s->monitor.service];
}

static const char *process_of(const struct supervisor *s) {
	static const char *const names[] = {
		[PROCESS_RUNNING] = "running",
		[PROCESS_TRACED] = "traced",
		[PROCESS_STOPPED] = "stopped",
	};

	return names[s->monitor.process];
}

static const char *mode_of(const struct supervisor *s) {
	static const char *const names[] = {
		[ON_UNHEALTHY_WITHHOLD] = "withhold",
		[ON_UNHEALTHY_TRIGGER] = "trigger",
		[ON_UNHEALTHY_KILL] = "kill",
		[ON_UNHEALTHY_WARN] = "warn",
	};

	return names[s->mode];
}

static void put_service(struct maker *m, const struct supervisor *s, struct json_object *o) {
	const struct counters *c = &s->counters;
	bool is_paused = pause_is_on(s);
	bool is_unhealthy = s->monitor.service == SERVICE_UNHEALTHY;
	char words[NOTIFY_MSG_MAX];
	struct text t = TEXT_OVER(words);

	status_compose(s, &t);
	put(m, o, "state", text(m, life_state_str(s->life == LIFE_DONE ? LIFE_STOPPING : s->life)));
	put(m, o, "stateUsec", number(m, usec_sub(s->now, s->state_at)));
	put(m, o, "health", text(m, health_of(s)));
	put(m, o, "statusText", text(m, words));
	put(m, o, "culprit",
	    is_unhealthy ? text(m, supervisor_probe_name(s, s->monitor.culprit)) : NULL);
	put(m, o, "onUnhealthy", text(m, mode_of(s)));
	put(m, o, "watchdogUsec", number(m, s->watchdog_usec));
	put(m, o, "hasWatchdog", flag(m, s->has_watchdog));
	put(m, o, "paused", flag(m, is_paused));
	put(m, o, "pausedLeftUsec", is_paused ? number(m, usec_sub(s->pause.at, s->now)) : NULL);
	put(m, o, "startedUsec", number(m, usec_sub(s->now, s->started_at)));
	put(m, o, "pings", number(m, c->n_pings));
	put(m, o, "lastPingUsec", c->n_pings > 0 ? number(m, usec_sub(s->now, c->ping_at)) : NULL);
	put(m, o, "stalls", number(m, c->n_stalls));
	put(m, o, "stallUsec", number(m, c->stall_usec));
	put(m, o, "proberRestarts", number(m, s->prober.n_starts > 0 ? s->prober.n_starts - 1 : 0));
	put(m, o, "process", text(m, process_of(s)));
}

char *control_reply_status(const struct supervisor *s, bool has_more, size_t *ret_length) {
	const char *unit = s->setup->env.unit;
	struct maker m = {0};
	struct json_object *reply = object(&m), *p = object(&m), *o = object(&m);
	struct json_object *probes = array(&m);

	put(&m, o, "label", text(&m, s->conf->label));
	put(&m, o, "unit", unit ? text(&m, unit) : NULL);
	put(&m, o, "pid", number(&m, (uint64_t)getpid()));
	put(&m, o, "childPid", s->child.pid > 0 ? number(&m, (uint64_t)s->child.pid) : NULL);
	put(&m, o, "version", text(&m, SDWD_VERSION));
	put_service(&m, s, o);
	for (size_t i = 0; i < s->n_slots; i++)
		append(&m, probes, probe_of(&m, s, i));
	put(&m, o, "probes", probes);
	put(&m, p, "status", o);
	put(&m, reply, "parameters", p);
	if (has_more)
		put(&m, reply, "continues", flag(&m, true));
	return finish(&m, reply, ret_length);
}
