#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Ends as it is told, once it is told to: waits for the file, then exits with the number or dies by the named signal.

    fate.py FILE NUMBER|SIGNAL
"""

import ctypes
import os
import signal
import sys
import time

# PR_SET_DUMPABLE: no core, whatever this machine does with cores.
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
if sys.argv[2].isdigit():
    os._exit(int(sys.argv[2]))
os.kill(os.getpid(), signal.Signals["SIG" + sys.argv[2]])
