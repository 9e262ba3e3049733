/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <sys/types.h>

#include "base/defs.h"
#include "base/text.h"

/* How long all instances together have for their answer, where no option says otherwise. */
#define CLIENT_TIMEOUT "2s"

/* The most sockets of other users that are asked; root's and our own are all. */
#define INSTANCES_MAX 16384

/* All answers together, as text, also those that are not whole. */
#define CLIENT_BYTES_MAX ((size_t)32 * 1024 * 1024)

/* The most probes of an instance that are shown: what tells of more is hardly an sdwd. */
#define INSTANCE_PROBES_MAX ((size_t)64)

#define INSTANCE_LABEL_MAX 256
#define INSTANCE_ERROR_MAX 256

/* Who listens at one socket, and what it answered. */
struct instance {
	char *path;
	char label[INSTANCE_LABEL_MAX]; /* as one clean line: the reply's, where it is believed,
					   else the socket's file name */
	char *unit; /* of the listener's cgroup, the user manager's first; NULL: none, or hidden */
	bool is_unit_known; /* unit was read, of pid */
	bool is_user_unit;  /* it is one of a user's own manager */
	pid_t pid;          /* the listener's */
	uid_t uid;
	bool is_believed;           /* it is who it says it is; else error tells why not */
	usec_t taken_at;            /* when status came */
	struct json_object *status; /* Status of sdwd.Supervisor; NULL where it is not believed */
	char error[INSTANCE_ERROR_MAX]; /* one clean line: not believed, or no answer; "": neither
					 */
};

struct instances {
	struct instance *list; /* by label, then by path */
	size_t n;
	bool is_cut; /* there were more sockets of others than INSTANCES_MAX */
};

/*
 * Finds the sockets in /run/sdwd and $XDG_RUNTIME_DIR/sdwd: @all gets of each the
 * path, label (the file's name) and uid (its owner), in the order in which they are asked.  A
 * folder that is missing holds none.  Returns 0 or a negative errno (with @all empty).
 */
int instances_find(struct instances *all);

/*
 * Finds the sockets and asks each for its status, all at once, in @timeout_usec together.  Where
 * nobody listens any more is left out; the socket is left where it is, because an instance that
 * begins may take its name at any moment.  Returns 0 or a negative errno: nothing could be asked.
 */
int instances_ask(struct instances *all, usec_t timeout_usec);

/* Raises the limit of open files so that @wanted connections fit. Returns how many of them do. */
size_t client_room(size_t wanted);

/* Frees what is in it. */
void instance_done(struct instance *i);
void instances_done(struct instances *all);

/*
 * One line on stderr for each that is not believed or did not answer, "sdwdctl: VERB: PATH: ...";
 * only for those whose element in @is_asked is set, where that is not NULL.  Returns how many.
 */
size_t instances_complain(const struct instances *all, const char *verb, const bool *is_asked);

/*
 * True where @pattern (fnmatch(3)) is the label, or the label without ".service"; where it is not
 * believed, the socket's name or that without the pid.  A @pattern with a slash in front is the
 * socket's path.
 */
bool instance_matches(const struct instance *i, const char *pattern);

/*
 * The one instance of that label, believed; an exact one before one that matches.  NULL after one
 * line on stderr where there is none, or more than one.
 */
struct instance *instances_pick(const struct instances *all, const char *verb, const char *label);

/*
 * Takes @reply of the listener at @i (pid and uid known): label, unit, is_believed and status, or
 * error.  Of @i pid and uid are read, and unit where it is known.  Returns 0; -ESRCH: the listener
 * has ended.
 */
int instance_take(struct instance *i, struct json_object *reply);

/*
 * Calls one method ("sdwd.Supervisor.Pause") of @i, which must still be the process that answered
 * before. @parameters is borrowed, NULL for none.  Returns 0 with the reply's parameters (the
 * caller's; NULL where it has none); 1 where it answered by an error, with the whole reply in
 * *@ret ("error", "parameters"); or a negative errno, with one line in @error.
 */
int client_call(const struct instance *i, const char *method, struct json_object *parameters,
		usec_t timeout_usec, struct json_object **ret, struct text *error);
