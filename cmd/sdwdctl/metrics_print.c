/* SPDX-License-Identifier: MIT */
/*
 * The metrics, as a table.  A family is told of every instance, or of every probe, and its samples
 * stand together, as both formats want.  Names and units are as Prometheus recommends.  A field
 * that is absent, or is not what it should be, gives no sample: the replies are not trusted.
 */
#include <string.h>

#include "base/usec.h"
#include "fields.h"
#include "metrics_page.h"

/* The most of a reply that is told; more is no answer of sdwd's. */
#define BUCKETS_MAX 64
#define NAME_MAX_BYTES 256

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void print_instances(const struct metrics_page *p, const struct metrics_subject *s,
			    struct json_object *probe) {
	int64_t n = 0;

	for (size_t at = 0; at < p->subjects->n; at++)
		n += p->subjects->list[at].instance->is_believed;
	metrics_page_sample(p, "", NULL, NULL, NULL, NULL);
	metrics_page_count(p, n);
}

static void print_failed(const struct metrics_page *p, const struct metrics_subject *s,
			 struct json_object *probe) {
	metrics_page_sample(p, "", NULL, NULL, NULL, NULL);
	metrics_page_count(p, (int64_t)p->subjects->n_failed);
}

static void print_up(const struct metrics_page *p, const struct metrics_subject *s,
		     struct json_object *probe) {
	metrics_page_sample(p, "", s, NULL, NULL, NULL);
	metrics_page_count(p, s->instance->is_believed);
}

static void print_info(const struct metrics_page *p, const struct metrics_subject *s,
		       struct json_object *probe) {
	char version[NAME_MAX_BYTES];

	field_clean(s->instance->status, "version", version, sizeof(version));
	metrics_page_sample(p, "", s, NULL, "version", version);
	metrics_page_count(p, 1);
}

static void print_probe_up(const struct metrics_page *p, const struct metrics_subject *s,
			   struct json_object *probe) {
	metrics_page_sample(p, "", s, probe, NULL, NULL);
	metrics_page_count(p, field_says(probe, "state", "healthy"));
}

static void print_looks(const struct metrics_page *p, const struct metrics_subject *s,
			struct json_object *probe) {
	static const char *const verdicts[] = {"pass", "warn", "fail", "unknown"};

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		int64_t n = field_int(field(probe, "looks"), verdicts[i], -1);

		if (n < 0)
			continue;
		metrics_page_sample(p, "", s, probe, "verdict", verdicts[i]);
		metrics_page_count(p, n);
	}
}

/* True where the buckets are such that a reader takes them: ascending, counts too, the last without
 * a bound. */
static bool are_buckets(struct json_object *latency, size_t n) {
	int64_t bound = -1, count = 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *bucket = field_at(latency, "buckets", i);
		int64_t le = field_int(bucket, "le", -1), more = field_int(bucket, "n", -1);
		bool is_last = i + 1 == n;

		if (more < count || (is_last ? field(bucket, "le") != NULL : le <= bound))
			return false;
		bound = le;
		count = more;
	}
	return n > 0 && n <= BUCKETS_MAX && field_int(latency, "sumUsec", -1) >= 0;
}

static void print_durations(const struct metrics_page *p, const struct metrics_subject *s,
			    struct json_object *probe) {
	struct json_object *latency = field(probe, "latency");
	size_t n = field_count(latency, "buckets");
	int64_t count = 0;

	if (!are_buckets(latency, n))
		return;
	for (size_t i = 0; i < n; i++) {
		struct json_object *bucket = field_at(latency, "buckets", i);
		char le[METRICS_SECONDS_MAX] = "+Inf";

		if (i + 1 < n)
			metrics_seconds(le, (usec_t)field_int(bucket, "le", 0));
		count = field_int(bucket, "n", 0);
		metrics_page_sample(p, "_bucket", s, probe, "le", le);
		metrics_page_count(p, count);
	}
	metrics_page_sample(p, "_sum", s, probe, NULL, NULL);
	metrics_page_seconds(p, (usec_t)field_int(latency, "sumUsec", 0));
	metrics_page_sample(p, "_count", s, probe, NULL, NULL);
	metrics_page_count(p, count);
}

/* In the order in which they are written; the man page has them in the same. */
static const struct metrics_family families[] = {
	{"sdwd_instances", "Instances of sdwd that answered.", METRICS_GAUGE, OF_ALL,
	 .print = print_instances},
	{"sdwd_instances_failed", "Sockets of instances that gave no answer that is believed.",
	 METRICS_GAUGE, OF_ALL, .print = print_failed},
	{"sdwd_up", "Whether the instance answered.", METRICS_GAUGE, OF_INSTANCE,
	 .print = print_up},
	{"sdwd", "Version of sdwd.", METRICS_INFO, OF_INSTANCE, .print = print_info},
	{"sdwd_pid", "Process id of sdwd, another one after each restart of the service.",
	 METRICS_GAUGE, OF_INSTANCE, FROM_COUNT, "pid"},
	{"sdwd_start_time_seconds", "When sdwd was started, in seconds since 1970.", METRICS_GAUGE,
	 OF_INSTANCE, FROM_AGE, "startedUsec"},
	{"sdwd_state", "1 for the state that the service is in.", METRICS_GAUGE, OF_INSTANCE,
	 FROM_WORD, "state", "state",
	 WORDS("launching", "starting", "running", "unhealthy", "stopping")},
	{"sdwd_state_start_time_seconds",
	 "When the service came into its state, in seconds since 1970.", METRICS_GAUGE, OF_INSTANCE,
	 FROM_AGE, "stateUsec"},
	{"sdwd_health", "1 for the health that the service has.", METRICS_GAUGE, OF_INSTANCE,
	 FROM_WORD, "health", "health", WORDS("healthy", "degraded", "unhealthy")},
	{"sdwd_process_state", "1 for the state that the child process is in.", METRICS_GAUGE,
	 OF_INSTANCE, FROM_WORD, "process", "state", WORDS("running", "traced", "stopped")},
	{"sdwd_paused", "Whether supervision is paused.", METRICS_GAUGE, OF_INSTANCE, FROM_FLAG,
	 "paused"},
	{"sdwd_watchdog_enabled", "Whether the service manager has set a watchdog.", METRICS_GAUGE,
	 OF_INSTANCE, FROM_FLAG, "hasWatchdog"},
	{"sdwd_watchdog_timeout_seconds", "The watchdog time.", METRICS_GAUGE, OF_INSTANCE,
	 FROM_DURATION, "watchdogUsec"},
	{"sdwd_pings", "Pings sent to the service manager.", METRICS_COUNTER, OF_INSTANCE,
	 FROM_COUNT, "pings"},
	{"sdwd_last_ping_timestamp_seconds", "When the last ping was sent, in seconds since 1970.",
	 METRICS_GAUGE, OF_INSTANCE, FROM_AGE, "lastPingUsec"},
	{"sdwd_stalls", "Times that sdwd itself was held up.", METRICS_COUNTER, OF_INSTANCE,
	 FROM_COUNT, "stalls"},
	{"sdwd_stall_seconds", "Time that sdwd itself was held up.", METRICS_COUNTER, OF_INSTANCE,
	 FROM_DURATION, "stallUsec"},
	{"sdwd_prober_restarts", "Restarts of sdwd-prober.", METRICS_COUNTER, OF_INSTANCE,
	 FROM_COUNT, "proberRestarts"},
	{"sdwd_probe_up", "Whether the probe is healthy.", METRICS_GAUGE, OF_PROBE,
	 .print = print_probe_up},
	{"sdwd_probe_optional", "Whether the probe never changes the health.", METRICS_GAUGE,
	 OF_PROBE, FROM_FLAG, "optional"},
	{"sdwd_probe_drilled", "Whether the probe counts as failed for a drill.", METRICS_GAUGE,
	 OF_PROBE, FROM_FLAG, "drilled"},
	{"sdwd_probe_consecutive_failures", "Looks that failed in a row, up to now.", METRICS_GAUGE,
	 OF_PROBE, FROM_COUNT, "fails"},
	{"sdwd_probe_last_look_timestamp_seconds",
	 "When the newest look or sign of life was, in seconds since 1970.", METRICS_GAUGE,
	 OF_PROBE, FROM_AGE, "ageUsec"},
	{"sdwd_probe_looks", "Looks and signs of life, by verdict.", METRICS_COUNTER, OF_PROBE,
	 .print = print_looks},
	{"sdwd_probe_look_duration_seconds", "How long looks took.", METRICS_HISTOGRAM, OF_PROBE,
	 .print = print_durations},
};

static void print_one(const struct metrics_page *p, const struct metrics_subject *s,
		      struct json_object *probe) {
	const struct metrics_family *f = p->family;
	struct json_object *from = probe ? probe : s ? s->instance->status : NULL;
	int64_t number = field_int(from, f->field ? f->field : "", -1);

	if (f->source == FROM_FUNCTION) {
		f->print(p, s, probe);
	} else if (f->source == FROM_WORD) {
		for (const char *const *word = f->words; *word; word++) {
			metrics_page_sample(p, "", s, probe, f->label, *word);
			metrics_page_count(p, field_says(from, f->field, *word));
		}
	} else if (f->source == FROM_FLAG) {
		metrics_page_sample(p, "", s, probe, NULL, NULL);
		metrics_page_count(p, field_is(from, f->field));
	} else if (number >= 0) {
		metrics_page_sample(p, "", s, probe, NULL, NULL);
		if (f->source == FROM_COUNT)
			metrics_page_count(p, number);
		else if (f->source == FROM_DURATION)
			metrics_page_seconds(p, (usec_t)number);
		else
			metrics_page_seconds(p, usec_sub(p->realtime_usec, (usec_t)number));
	}
}

/* True where probe @at of @status is the first of its name: twice the same sample is none. */
static bool is_first(struct json_object *status, size_t at) {
	char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];

	field_clean(field_at(status, "probes", at), "name", name, sizeof(name));
	for (size_t i = 0; i < at; i++)
		if (strcmp(name, field_clean(field_at(status, "probes", i), "name", other,
					     sizeof(other))) == 0)
			return false;
	return true;
}

static void print_family(const struct metrics_page *p) {
	enum metrics_scope scope = p->family->scope;

	metrics_page_head(p);
	if (scope == OF_ALL) {
		print_one(p, NULL, NULL);
		return;
	}
	for (size_t at = 0; at < p->subjects->n; at++) {
		const struct metrics_subject *s = p->subjects->list + at;
		struct json_object *status = s->instance->status;
		size_t n = MIN(field_count(status, "probes"), INSTANCE_PROBES_MAX);

		/* Of one that did not answer only that is told. */
		if (scope == OF_INSTANCE && (status || p->family->print == print_up))
			print_one(p, s, NULL);
		for (size_t i = 0; scope == OF_PROBE && i < n; i++)
			if (is_first(status, i))
				print_one(p, s, field_at(status, "probes", i));
	}
}

void metrics_print(FILE *out, enum metrics_format format, const struct metrics_subjects *s,
		   usec_t realtime_usec) {
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct metrics_page p = {
			.out = out,
			.format = format,
			.subjects = s,
			.realtime_usec = realtime_usec,
			.family = &families[i],
		};

		print_family(&p);
	}
	/* A comment for whoever reads the text format. */
	fputs("# EOF\n", out);
}
