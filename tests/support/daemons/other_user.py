"""`phsearchd` of the user nobody, started by root; its workers may not start, which nobody asks of it."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon.main import main
from support.workers import COLOUR_WORKER

_PR_SET_KEEPCAPS = 8
_DAC_READ_SEARCH = 1 << 2

if __name__ == "__main__":
    libc = ctypes.CDLL(None)
    # Python itself may lie in root's home: it may still be read.
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    kept = struct.pack("=6I", _DAC_READ_SEARCH, _DAC_READ_SEARCH, 0, 0, 0, 0)
    libc.capset(struct.pack("=Ii", 0x20080522, 0), kept)
    main(worker=COLOUR_WORKER)
