#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A service on D-Bus by GLib, of one object /test with the interface test.sdwd.Test.

    bus_service.py ADDRESS NAME

Says "owns" once it has the name, and "call METHOD". Commands on its input: "block" (its main loop does nothing any more,
"blocked"), "free".
"""

import os
import sys
import threading

from gi.repository import Gio, GLib

INTERFACE = """\
<node><interface name="test.sdwd.Test">
  <method name="Fine"/> <method name="Fail"/> <method name="Leave"/> <method name="Silent"/>
  <method name="Echo"><arg type="s" direction="in"/></method>
</interface></node>
"""
FREE = threading.Event()


def say(*words):
    # In one piece: both threads speak.
    os.write(1, f"{' '.join(words)}\n".encode())


def on_call(_connection, _sender, _path, _interface, method, _arguments, invocation):
    say("call", method)
    if method == "Fail":
        invocation.return_dbus_error("test.sdwd.Error.Purpose", "on purpose")
    elif method == "Leave":
        os._exit(0)
    elif method != "Silent":
        invocation.return_value(None)


def block():
    say("blocked")
    FREE.wait()
    return False


def commands():
    for line in sys.stdin:
        if line == "block\n":
            FREE.clear()
            GLib.idle_add(block)
        else:
            FREE.set()
            say("free")


def main():
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    connection = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
    connection.register_object("/test", Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], on_call)
    Gio.bus_own_name_on_connection(connection, sys.argv[2], Gio.BusNameOwnerFlags.NONE, lambda *_: say("owns"), None)
    threading.Thread(target=commands, daemon=True).start()
    GLib.MainLoop().run()


main()
