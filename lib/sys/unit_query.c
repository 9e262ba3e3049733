/* SPDX-License-Identifier: MIT */
#include "sys/unit_query.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>

#include "base/fd.h"
#include "base/text.h"
#include "sys/spawn.h"

/*
 * The manager has two doors: the message bus, and a private socket that only root (or, of a user's
 * manager, the user) may open and that needs no bus: the second is tried first, because it works
 * also while the bus does not.  org.freedesktop.systemd1(5) has the interface; its properties may
 * be read by everybody.
 *
 * A fork and no exec: the answer is wanted while a stop goes on, and a new program would take
 * longer to load than the manager to answer.  Only this process loads libsystemd, which brings five
 * more libraries: half of the memory that sdwd itself takes.
 */

#define MANAGER "org.freedesktop.systemd1"
#define PATH_MAX_LENGTH 107

#define LIBRARY "libsystemd.so.0"
#define FUNCTIONS(X) \
	X(sd_bus_error_free) \
	X(sd_bus_get_property_string) \
	X(sd_bus_get_property_trivial) \
	X(sd_bus_new) \
	X(sd_bus_open_system) \
	X(sd_bus_open_user) \
	X(sd_bus_path_encode) \
	X(sd_bus_set_address) \
	X(sd_bus_start) \
	X(sd_bus_unref) \
	X(sd_pid_get_user_unit)

#define DECLARE(name) static __typeof__(name) *late_##name;
FUNCTIONS(DECLARE)

static int load(void) {
	void *library = dlopen(LIBRARY, RTLD_NOW);

	if (!library)
		return -ELIBACC;
#define LOAD(name) \
	late_##name = (__typeof__(name) *)dlsym(library, #name); \
	if (!late_##name) \
		return -ELIBBAD;
	FUNCTIONS(LOAD)
	return 0;
}

static int open_private(sd_bus **ret, const char *folder) {
	char address[PATH_MAX_LENGTH + 32];
	sd_bus *bus = NULL;
	int r;

	if ((size_t)snprintf(address, sizeof(address), "unix:path=%s/systemd/private", folder) >=
	    sizeof(address))
		return -ENAMETOOLONG;
	r = late_sd_bus_new(&bus);
	if (r >= 0)
		r = late_sd_bus_set_address(bus, address);
	if (r >= 0)
		r = late_sd_bus_start(bus);
	if (r < 0) {
		late_sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

static int open_bus(sd_bus **ret) {
	const char *folder = getenv("XDG_RUNTIME_DIR");
	char *unit = NULL;
	bool is_user = late_sd_pid_get_user_unit(0, &unit) >= 0;
	int r;

	free(unit);
	if (is_user)
		r = folder ? open_private(ret, folder) : -ENXIO;
	else
		/* systemd 247 lets everybody connect there, and then hangs up on who is not root.
		 */
		r = geteuid() == 0 ? open_private(ret, "/run") : -EACCES;
	if (r >= 0)
		return 0;
	return is_user ? late_sd_bus_open_user(ret) : late_sd_bus_open_system(ret);
}

static int get_number(sd_bus *bus, const char *path, const char *name, int *ret) {
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = late_sd_bus_get_property_trivial(bus, MANAGER, path, MANAGER ".Service", name,
						 &error, 'i', ret);

	late_sd_bus_error_free(&error);
	return r;
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *name,
		    char **ret) {
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = late_sd_bus_get_property_string(bus, MANAGER, path, interface, name, &error, ret);

	late_sd_bus_error_free(&error);
	return r;
}

/* It may be another one each time: the manager goes by what it read last (daemon-reload). */
static int ask_mode(sd_bus *bus, const char *path, struct unit_answer *a) {
	char *mode = NULL;
	int r = get_text(bus, path, MANAGER ".Service", "KillMode", &mode);

	if (r < 0)
		return r;
	a->is_control_group = strcmp(mode, "control-group") == 0;
	free(mode);
	return 0;
}

static int ask_killing(sd_bus *bus, const char *path, struct unit_answer *a) {
	int r = ask_mode(bus, path, a);

	if (r < 0)
		return r;
	r = get_number(bus, path, "KillSignal", &a->kill_signal);
	if (r < 0)
		return r;
	/* Younger than KillSignal: where one is not known, it is not sent. */
	(void)get_number(bus, path, "RestartKillSignal", &a->restart_kill_signal);
	(void)get_number(bus, path, "WatchdogSignal", &a->watchdog_signal);
	return 0;
}

/* "stop" and "stop-post" are not among them: there commands run, and no signal is sent. */
static int ask_stopping(sd_bus *bus, const char *path, struct unit_answer *a) {
	char *state = NULL;
	int r = ask_mode(bus, path, a);

	if (r == 0)
		r = get_text(bus, path, MANAGER ".Unit", "SubState", &state);
	if (r < 0)
		return r;
	a->is_stopping = strcmp(state, "stop-sigterm") == 0 || strcmp(state, "final-sigterm") == 0;
	a->is_aborting =
		strcmp(state, "stop-watchdog") == 0 || strcmp(state, "final-watchdog") == 0;
	free(state);
	return 0;
}

static int ask(enum unit_question question, const char *unit, struct unit_answer *ret) {
	sd_bus *bus = NULL;
	char *path = NULL;
	int r = load();

	if (r == 0)
		r = open_bus(&bus);
	if (r < 0)
		return r;
	r = late_sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
	if (r < 0)
		return r;
	return question == UNIT_KILLING ? ask_killing(bus, path, ret)
					: ask_stopping(bus, path, ret);
	/* The process ends: nothing is freed. */
}

__attribute__((noreturn)) static void run(enum unit_question question, const char *unit, int fd,
					  pid_t parent) {
	struct unit_answer answer = {0};

	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Whoever closes the child's pipes and sockets must be the only one who holds them. */
	if (dup3(fd, 3, O_CLOEXEC) < 0 && fd != 3)
		_exit(1);
	spawn_close_from(4);
	if (ask(question, unit, &answer) < 0)
		_exit(1);
	_exit(fd_write_all(3, &answer, sizeof(answer)) < 0);
}

int unit_query_start(struct unit_query *q, enum unit_question question, const char *unit) {
	pid_t parent = getpid(), pid;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid = fork();
	r = -errno;
	if (pid == 0)
		run(question, unit, fds[1], parent);
	fd_close(fds[1]);
	if (pid < 0) {
		fd_close(fds[0]);
		return r;
	}
	*q = (struct unit_query){.pid = pid, .fd = fds[0]};
	return 0;
}

int unit_query_read(struct unit_query *q, struct unit_answer *ret) {
	struct unit_answer answer;
	ssize_t n = read(q->fd, &answer, sizeof(answer));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n != sizeof(answer))
		return -EPIPE;
	*ret = answer;
	return 1;
}

void unit_query_stop(struct unit_query *q) {
	if (q->pid > 0)
		spawn_kill(q->pid);
	q->fd = fd_close(q->fd);
}
