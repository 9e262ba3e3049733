/* SPDX-License-Identifier: MIT */
/*
 * --dbus. Each look has a connection to the bus of its own, and one call on it.  sd-bus's own waits
 * (sd_bus_call()) know the time of the call only, and wait for the bus itself much longer: so it is
 * the loop here that waits, for both.
 *
 * Whose fault it is: without the bus nothing can be said of the service.  What the bus itself
 * answers to the call is about the name's owner; that it does not let us ask is not.
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "ask.h"
#include "base/usec.h"
#include "conf/probe_conf.h"
#include "probe/dbus.h"

#define BUS "org.freedesktop.DBus"
#define ERROR_PREFIX BUS ".Error."

struct dbus_look {
	struct ask *ask;
	const struct dbus_settings *settings;
	const char *within; /* what the user gave the look, for people */
	sd_bus *bus;
	sd_bus_message *reply; /* NULL: not there yet */
};

static const char *bus_str(const struct dbus_look *l) {
	return l->settings->is_user ? "the session's bus" : "the system's bus";
}

static int on_reply(sd_bus_message *m, void *context, sd_bus_error *unused) {
	struct dbus_look *l = context;

	l->reply = sd_bus_message_ref(m);
	return 0;
}

/* Moves what can be moved, and waits for more. Returns 1, 0 at the deadline, or a negative errno.
 */
static int turn(struct dbus_look *l) {
	usec_t left = ask_left_usec(l->ask);
	int r = sd_bus_process(l->bus, NULL);

	if (r < 0 || left == 0)
		return MIN(r, 0);
	if (r > 0)
		return 1;
	r = sd_bus_wait(l->bus, left);
	return r < 0 && r != -EINTR ? r : 1;
}

/* Connects, and waits until the bus has said who we are. As turn(). */
static int open_bus(struct dbus_look *l) {
	int r = l->settings->is_user ? sd_bus_open_user(&l->bus) : sd_bus_open_system(&l->bus);

	if (r < 0)
		return r;
	for (;;) {
		r = sd_bus_is_ready(l->bus);
		if (r != 0)
			return r;
		r = turn(l);
		if (r <= 0)
			return r;
	}
}

/* A call that starts nobody. Returns 0 or a negative errno. */
static int send_call(struct dbus_look *l) {
	const struct dbus_call *c = &l->settings->call;
	bool is_ping = c->path[0] == '\0';
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(l->bus, &m, l->settings->name,
					       is_ping ? "/" : c->path,
					       is_ping ? BUS ".Peer" : c->interface,
					       is_ping ? "Ping" : c->method);

	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	/* No timeout of its own: what sd-bus says then looks like an answer of the bus. */
	if (r >= 0)
		r = sd_bus_call_async(l->bus, NULL, m, on_reply, l, UINT64_MAX);
	sd_bus_message_unref(m);
	return r < 0 ? r : 0;
}

/* What the bus said in the place of the name's owner. */
static void judge_bus_error(const struct dbus_look *l, const sd_bus_error *error,
			    struct outcome *ret) {
	const char *what = strncmp(error->name, ERROR_PREFIX, strlen(ERROR_PREFIX)) == 0
				   ? error->name + strlen(ERROR_PREFIX)
				   : error->name;

	if (strcmp(what, "ServiceUnknown") == 0 || strcmp(what, "NameHasNoOwner") == 0)
		outcome_set(ret, CAUSE_GONE, "nobody on %s has the name %s", bus_str(l),
			    l->settings->name);
	else if (strcmp(what, "NoReply") == 0 || strcmp(what, "Disconnected") == 0)
		outcome_set(ret, CAUSE_GONE, "%s left %s without an answer", l->settings->name,
			    bus_str(l));
	else if (strcmp(what, "AccessDenied") == 0)
		outcome_set(ret, CAUSE_PROBER, "%s does not allow this call: %s", bus_str(l),
			    error->message);
	else
		outcome_set(ret, CAUSE_READ_FAILED, "%s could not hand the call over: %s: %s",
			    bus_str(l), what, error->message);
}

static void judge(const struct dbus_look *l, struct outcome *ret) {
	const sd_bus_error *error = sd_bus_message_get_error(l->reply);
	const char *sender = sd_bus_message_get_sender(l->reply);
	bool is_from_bus = !sender || strcmp(sender, BUS) == 0;

	if (!error)
		outcome_set(ret, CAUSE_OK, "a reply");
	else if (sd_bus_is_open(l->bus) <= 0)
		/* sd-bus says it in the name of a bus that is gone. */
		outcome_set(ret, CAUSE_PROBER, "the connection to %s broke: %s", bus_str(l),
			    error->message);
	else if (is_from_bus && strcmp(l->settings->name, BUS) != 0)
		judge_bus_error(l, error, ret);
	else
		outcome_set(ret, CAUSE_OK, "a reply: %s", error->name);
}

static void look(struct dbus_look *l, struct outcome *ret) {
	int r = open_bus(l);

	if (r == 0)
		outcome_set(ret, CAUSE_PROBER, "%s did not answer within %s", bus_str(l),
			    l->within);
	else if (r < 0)
		outcome_set(ret, CAUSE_PROBER, "cannot reach %s: %s", bus_str(l),
			    r == -ENOMEDIUM ? "its address is not known (DBUS_SESSION_BUS_ADDRESS, "
					      "XDG_RUNTIME_DIR)"
					    : strerror(-r));
	if (r <= 0)
		return;
	r = send_call(l);
	if (r == 0)
		r = 1;
	while (r > 0 && !l->reply)
		r = turn(l);
	if (l->reply)
		judge(l, ret);
	else if (r == 0)
		outcome_set(ret, CAUSE_READ_TIMEOUT, "no reply within %s", l->within);
	else
		outcome_set(ret, CAUSE_PROBER, "the connection to %s broke: %s", bus_str(l),
			    strerror(-r));
}

void dbus_answer(struct ask *a) {
	cleanup(probe_conf_freep) struct probe_conf *conf = NULL;
	char within[USEC_STR_MAX];
	struct dbus_look l = {.ask = a};
	struct outcome o;

	if (!ask_probe(a, &conf))
		return;
	l.settings = conf->settings;
	l.within = usec_str_short(within, conf->timeout_usec);
	look(&l, &o);
	ask_reply(a, &o);
	sd_bus_message_unref(l.reply);
	/* Without sending what is left, which might wait. */
	sd_bus_close(l.bus);
	sd_bus_unref(l.bus);
}
