/* SPDX-License-Identifier: MIT */
/* Replies, as Varlink has them: {"parameters": {...}}, and what stands beside that. */
#include <unistd.h>

#include "app/internal.h"
#include "app/json.h"
#include "base/text.h"

static void begin_parameters(struct json *j) {
	json_begin(j, NULL, '{');
	json_begin(j, "parameters", '{');
}

static char *finish_parameters(struct json *j, size_t *ret_length) {
	json_end(j, '}');
	json_end(j, '}');
	return json_take(j, ret_length);
}

char *control_reply_empty(size_t *ret_length) {
	struct json j = {0};

	begin_parameters(&j);
	return finish_parameters(&j, ret_length);
}

char *control_reply_error(const char *error, const char *name, const char *value,
			  size_t *ret_length) {
	struct json j = {0};

	json_begin(&j, NULL, '{');
	json_text(&j, "error", error);
	json_begin(&j, "parameters", '{');
	if (name)
		json_text(&j, name, value);
	return finish_parameters(&j, ret_length);
}

char *control_reply_info(size_t *ret_length) {
	struct json j = {0};

	begin_parameters(&j);
	json_text(&j, "vendor", "sdwd");
	json_text(&j, "product", "sdwd");
	json_text(&j, "version", SDWD_VERSION);
	json_text(&j, "url", "man:sdwd(1)");
	json_begin(&j, "interfaces", '[');
	json_text(&j, NULL, "org.varlink.service");
	json_text(&j, NULL, "sdwd.Supervisor");
	json_end(&j, ']');
	return finish_parameters(&j, ret_length);
}

char *control_reply_description(const char *description, size_t *ret_length) {
	struct json j = {0};

	begin_parameters(&j);
	json_text(&j, "description", description);
	return finish_parameters(&j, ret_length);
}

/* The status ------------------------------------------------------------------------------------
 */

static void put_looks(struct json *j, const struct stats *stats) {
	json_begin(j, "looks", '{');
	for (int verdict = 0; verdict < VERDICT_MAX; verdict++)
		json_number(j, verdict_str((enum verdict)verdict), stats->verdicts[verdict]);
	json_end(j, '}');
}

static void put_latency(struct json *j, const struct stats *stats) {
	json_begin(j, "latency", '{');
	json_begin(j, "buckets", '[');
	for (size_t i = 0; i < STATS_BUCKETS; i++) {
		json_begin(j, NULL, '{');
		json_number(j, "le", stats_bound(i));
		json_number(j, "n", stats_at_most(stats, i));
		json_end(j, '}');
	}
	json_end(j, ']');
	json_number(j, "sumUsec", stats->sum_usec);
	json_end(j, '}');
}

static void put_history(struct json *j, const struct stats *stats) {
	json_begin(j, "history", '[');
	for (size_t i = 0; i < stats_n_history(stats); i++) {
		const struct stats_look *l = stats_look(stats, i);

		json_begin(j, NULL, '{');
		json_text(j, "v", verdict_str(l->verdict));
		json_number(j, "us", l->latency_usec);
		json_end(j, '}');
	}
	json_end(j, ']');
}

static void put_probe(struct json *j, const struct supervisor *s, size_t i) {
	const struct slot *slot = &s->slots[i];
	const struct probe_conf *c = slot->probe->conf;
	const struct monitor_probe *p = &s->monitor.probes[i];
	const struct health *h = &p->health;
	const struct stats *stats = &slot->stats;
	size_t n = stats_n_history(stats);
	bool is_timed = c->kind->mode == PROBE_PULL;

	json_begin(j, NULL, '{');
	json_text(j, "name", c->name);
	json_text(j, "kind", c->kind->name);
	json_flag(j, "optional", c->is_optional);
	json_text(j, "state", health_state_str(h->state));
	json_flag(j, "drilled", p->is_drilled);
	json_text(j, "verdict", slot->has_last ? verdict_str(slot->last.verdict) : NULL);
	json_text(j, "cause", slot->has_last ? cause_str(slot->last.cause) : NULL);
	json_text(j, "text", slot->has_last ? slot->last.text : NULL);
	json_number(j, "latencyUsec",
		    is_timed && n > 0 ? stats_look(stats, n - 1)->latency_usec : USEC_INFINITY);
	json_number(j, "ageUsec", n > 0 ? usec_sub(s->now, slot->looked_at) : USEC_INFINITY);
	json_number(j, "fails", h->fails);
	json_number(j, "fall", h->conf.fall);
	json_number(j, "passes", h->passes);
	json_number(j, "rise", h->conf.rise);
	json_number(j, "leaseLeftUsec",
		    h->state == HEALTH_UP ? usec_sub(lease_end(&h->lease), s->now) : USEC_INFINITY);
	put_looks(j, stats);
	if (is_timed)
		put_latency(j, stats);
	else
		json_null(j, "latency");
	put_history(j, stats);
	json_end(j, '}');
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

static void put_service(struct json *j, const struct supervisor *s) {
	const struct counters *c = &s->counters;
	bool is_paused = pause_is_on(s);
	bool is_unhealthy = s->monitor.service == SERVICE_UNHEALTHY;
	ptrdiff_t culprit = s->monitor.is_latched ? s->act.edge.slot : s->monitor.culprit;
	char words[NOTIFY_MSG_MAX];
	struct text t = TEXT_OVER(words);

	status_compose(s, &t);
	json_text(j, "state", life_state_str(s->life == LIFE_DONE ? LIFE_STOPPING : s->life));
	json_number(j, "stateUsec", usec_sub(s->now, s->state_at));
	json_text(j, "health", health_of(s));
	json_text(j, "statusText", words);
	json_text(j, "culprit", is_unhealthy ? supervisor_probe_name(s, culprit) : NULL);
	json_text(j, "onUnhealthy", mode_of(s));
	json_number(j, "watchdogUsec", s->watchdog_usec);
	json_flag(j, "hasWatchdog", s->has_watchdog);
	json_flag(j, "paused", is_paused);
	json_number(j, "pausedLeftUsec", is_paused ? usec_sub(s->pause.at, s->now) : USEC_INFINITY);
	json_number(j, "startedUsec", usec_sub(s->now, s->started_at));
	json_number(j, "pings", c->n_pings);
	json_number(j, "lastPingUsec",
		    c->n_pings > 0 ? usec_sub(s->now, c->ping_at) : USEC_INFINITY);
	json_number(j, "stalls", c->n_stalls);
	json_number(j, "stallUsec", c->stall_usec);
	json_number(j, "proberRestarts", s->prober.n_starts > 0 ? s->prober.n_starts - 1 : 0);
	json_text(j, "process", process_of(s));
}

char *control_reply_status(const struct supervisor *s, bool has_more, size_t *ret_length) {
	struct json j = {0};

	begin_parameters(&j);
	json_begin(&j, "status", '{');
	json_text(&j, "label", s->conf->label);
	json_text(&j, "unit", s->setup->env.unit);
	json_number(&j, "pid", (uint64_t)getpid());
	json_number(&j, "childPid", s->child.pid > 0 ? (uint64_t)s->child.pid : USEC_INFINITY);
	json_text(&j, "version", SDWD_VERSION);
	put_service(&j, s);
	json_begin(&j, "probes", '[');
	for (size_t i = 0; i < s->n_slots; i++)
		put_probe(&j, s, i);
	json_end(&j, ']');
	json_end(&j, '}');
	json_end(&j, '}');
	if (has_more)
		json_flag(&j, "continues", true);
	json_end(&j, '}');
	return json_take(&j, ret_length);
}
