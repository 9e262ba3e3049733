/* SPDX-License-Identifier: MIT */
#include "reference_inside.h"

#include <inttypes.h>
#include <stdio.h>

void ref_log_add(struct ref_log *log, uint64_t at, enum ref_kind kind, int who, uint64_t arg) {
	if (log->n < REF_LOG)
		log->events[log->n++] = (struct ref_event){at, kind, who, arg};
}

const struct ref_span *ref_span_at(const struct ref_span *spans, uint64_t at) {
	for (size_t i = 0; i < REF_SPANS && spans[i].to > 0; i++)
		if (spans[i].from <= at && at < spans[i].to)
			return &spans[i];
	return NULL;
}

static const char *event_str(const struct ref_event *e, char *buf, size_t size) {
	static const char *const kinds[] = {
		[REF_LOOK_START] = "look-start", [REF_LOOK_END] = "look-end",
		[REF_PROCESS] = "process-look",  [REF_PING] = "ping",
		[REF_REFUSED] = "refused",       [REF_SERVICE] = "service",
		[REF_PROBE_GOOD] = "probe-good", [REF_IS_GOOD] = "is-good",
		[REF_CREDIT] = "credit",         [REF_PUSH] = "push",
		[REF_READY] = "ready",           [REF_STOP] = "stop",
		[REF_PAUSE] = "pause",           [REF_RESUME] = "resume",
		[REF_DRILL] = "drill",
	};

	snprintf(buf, size, "%" PRIu64 ".%03u ms %s who=%d arg=%" PRIu64, e->at / REF_MS,
		 (unsigned)(e->at % REF_MS), kinds[e->kind], e->who, e->arg);
	return buf;
}

static void print_spans(const char *what, const struct ref_span *spans) {
	for (size_t i = 0; i < REF_SPANS; i++)
		if (spans[i].to > 0)
			fprintf(stderr, "  %s %" PRIu64 "..%" PRIu64 " us (%d)\n", what,
				spans[i].from, spans[i].to, (int)spans[i].process);
}

void ref_print_case(const struct ref_case *c) {
	fprintf(stderr,
		"W %" PRIu64 " K %zu ready %" PRIu64 " stop %" PRIu64 " trigger %" PRIu64
		" warns %d latches %d\n",
		c->watchdog, c->required, c->ready_at, c->stop_at, c->trigger_at, c->warns,
		c->latches);
	print_spans("process", c->process);
	print_spans("stall", c->stalls);
	print_spans("full", c->full);
	print_spans("pause", c->pauses);
	for (size_t i = 0; i < c->n_drills; i++)
		fprintf(stderr, "  drill %" PRIu64 " us of %zu\n", c->drills[i].at,
			c->drills[i].who);
	for (size_t i = 0; i < c->n_probes; i++) {
		const struct ref_probe *p = &c->probes[i];

		fprintf(stderr, "  probe %zu %s%s fall %u rise %u window %u/%u", i,
			p->is_pull      ? "pull"
			: p->is_watched ? "watched"
					: "push",
			p->is_optional ? " optional" : "", p->fall, p->rise, p->window_x,
			p->window_y);
		if (p->has_start_period)
			fprintf(stderr, " start-period %" PRIu64, p->start_period);
		if (p->is_pull)
			fprintf(stderr,
				" interval %" PRIu64 " timeout %" PRIu64 " fast %" PRIu64
				" start %" PRIu64 " phase %" PRIu64 "\n",
				p->interval, p->timeout, p->fast, p->start_interval, p->phase);
		else
			fprintf(stderr,
				" silence %" PRIu64 " interval %" PRIu64 " phase %" PRIu64 "\n",
				p->silence, p->interval, p->phase);
		for (size_t k = 0; k < p->n_pushes; k++)
			fprintf(stderr, "%s%zu: %" PRIu64 " said %d verdict %d (%" PRIu64 ")%s",
				k % 4 == 0 ? "    " : ", ", k, p->pushes[k].at,
				(int)p->pushes[k].said, (int)p->pushes[k].verdict,
				p->pushes[k].usec, k % 4 == 3 || k + 1 == p->n_pushes ? "\n" : "");
	}
}

void ref_print_log(const char *name, const struct ref_log *log, size_t at) {
	char buf[80];

	fprintf(stderr, "%s:\n", name);
	for (size_t i = at > 12 ? at - 12 : 0; i < log->n && i < at + 4; i++)
		fprintf(stderr, "%s %s\n", i == at ? ">" : " ",
			event_str(&log->events[i], buf, sizeof(buf)));
}
