/* SPDX-License-Identifier: MIT */
#include "dial_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "new_loop.h"
#include "open_fds.h"

static void on_done(struct dial *d, int result) {
	struct dial_fixture *f = container_of(d, struct dial_fixture, dial);

	f->result = result;
	f->n_results++;
	ev_break(f->loop, EVBREAK_ALL);
}

int dial_fixture_setup(void **state) {
	struct dial_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->loop = new_loop();
	f->dial.on_done = on_done;
	f->result = NOT_YET;
	strcpy(f->folder, "/tmp/sdwd-dial-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->n_fds = count_fds();
	*state = f;
	return 0;
}

int dial_fixture_teardown(void **state) {
	struct dial_fixture *f = *state;
	char command[64];

	if (f->result >= 0)
		fd_close(f->result);
	dial_cancel(&f->dial);
	assert_int_equal(count_fds(), f->n_fds);
	ev_loop_destroy(f->loop);
	snprintf(command, sizeof(command), "%s/socket", f->folder);
	unlink(command);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void on_too_late(struct ev_loop *loop, struct ev_timer *timer, int events) {
	ev_break(loop, EVBREAK_ALL);
}

void dial_fixture_run(struct dial_fixture *f, double seconds) {
	struct ev_timer timer;

	ev_timer_init(&timer, on_too_late, seconds, 0);
	ev_now_update(f->loop);
	ev_timer_start(f->loop, &timer);
	ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &timer);
}

int dial_fixture_dial(struct dial_fixture *f) {
	int fd = -1, r = dial_start(&f->dial, f->loop, &f->target, &fd);

	if (r == DIAL_CONNECTED)
		f->result = fd;
	else if (r < 0)
		f->result = r;
	else {
		dial_fixture_run(f, 30);
		assert_int_equal(f->n_results, 1);
	}
	return f->result;
}

int peer_family(int fd) {
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &size), 0);
	return peer.ss_family;
}
