/* SPDX-License-Identifier: MIT */
/*
 * The first byte chooses the table: of TCP (port 8080) or of Unix sockets (/run/x); the second one
 * the pieces in which the rest is fed.
 */
#include "sys/proc_net.h"

#include "fuzz.h"

static struct accept_queue whole, pieces;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const char name[] = "/run/x";
	uint16_t port;
	size_t step, n_lines = 0;
	struct proc_net p;

	if (size < 2)
		return 0;
	port = data[0] % 2 == 0 ? 8080 : 0;
	step = (size_t)data[1] + 1;
	data += 2, size -= 2;
	accept_queue_begin(&whole);
	proc_net_init(&p, port, name, sizeof(name) - 1, &whole);
	proc_net_feed(&p, (const char *)data, size);

	accept_queue_begin(&pieces);
	proc_net_init(&p, port, name, sizeof(name) - 1, &pieces);
	for (size_t at = 0; at < size; at += step) {
		size_t n = MIN(step, size - at);
		/* Exact heap blocks: reading one byte too far is seen. */
		char *piece = malloc(n);

		must(piece != NULL);
		memcpy(piece, data + at, n);
		proc_net_feed(&p, piece, n);
		free(piece);
	}
	must(memcmp(&whole, &pieces, sizeof(whole)) == 0);

	for (size_t i = 0; i < size; i++)
		n_lines += data[i] == '\n';
	must(whole.samples[0].n_listeners <= n_lines && whole.samples[0].n_seen <= n_lines);
	must(whole.n_ids <= whole.samples[0].n_seen);
	if (port == 0)
		must(whole.n_ids == 0 && whole.samples[0].n_queued <= n_lines);
	return 0;
}
