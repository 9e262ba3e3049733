# SPDX-License-Identifier: MIT
"""What a process does to itself before it becomes sdwd, as a unit's sandbox does: mounts of its own, and what /proc shows."""

import ctypes
import signal

from names import _CLONE_NEWNS, _MS_PRIVATE, _MS_REC, _checked, _libc

CAP_SYS_PTRACE = 19
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24


def own_mounts():
    """In the new process: what is mounted from now on is its own."""
    _checked(_libc.unshare(_CLONE_NEWNS))
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))


def mount(kind, target, options):
    _checked(_libc.mount(kind, target, kind, ctypes.c_ulong(0), options))


def hide_others():
    """As ProtectProc=ptraceable does, in a unit without CAP_SYS_PTRACE."""
    own_mounts()
    mount(b"proc", b"/proc", b"hidepid=ptraceable")
    _checked(_libc.prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0))


def hide_all():
    """As InaccessiblePaths=/proc does."""
    own_mounts()
    mount(b"tmpfs", b"/proc", b"mode=0")


def die_with_parent():
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
