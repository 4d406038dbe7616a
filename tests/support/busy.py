"""Load for a machine on which the tests must hold, too: `busy.py N [COMMAND ...]`.

N processes take all the processor time they get, until the command has ended or this process is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def spin() -> None:
    """Fork a process that computes until its parent is gone."""
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        while True:
            pass


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        spin()
    if sys.argv[2:]:
        sys.exit(subprocess.call(sys.argv[2:]))
    signal.pause()
