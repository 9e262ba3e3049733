/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "core/accept_queue.h"

/* Listening sockets of our own, and clients that wait at them: this process is both. */

#define QUEUE_CLIENTS 2000

struct queue_fixture {
	struct accept_queue queues[2];
	int listeners[3]; /* -1: none */
	int clients[QUEUE_CLIENTS];
	size_t n_clients;
	uint16_t port;
	struct sockaddr_un address;
	socklen_t length;
	char folder[40];
};

int queue_fixture_setup(void **state);
int queue_fixture_teardown(void **state);

/* Listens (@backlog negative: only has it) on a free port of the loopback address of @family; with
 * @is_shared, one that others may have too. The first sets port, which others take. False: port is
 * taken by somebody else in this family. */
bool queue_fixture_tcp(struct queue_fixture *f, size_t i, int family, int backlog, bool is_shared);

/* Listens at @path (in folder; "@": an abstract name), bound by a relative name. */
void queue_fixture_unix(struct queue_fixture *f, size_t i, const char *path, int backlog);

/* @n more clients connect, by 127.0.0.1 or ::1, or to the Unix address. On a loaded machine they
 * are in the queue a moment later. */
void queue_fixture_connect(struct queue_fixture *f, int family, size_t n);

/* The listener accepts one and closes it. */
void queue_fixture_accept(struct queue_fixture *f, size_t i);

/* Client @i closes, in peace or by a reset. */
void queue_fixture_close(struct queue_fixture *f, size_t i, bool is_reset);
