"""Resource limits: no core dumps of photos, no files that grow, no flood of descriptors.

Memory is not limited here: CUDA reserves address space without measure, and the daemon's overseer counts what is used.
Nor is the number of processes, which is counted for the whole user: the system call filter refuses new ones.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat

_FILES = 1024
"""A decoder holds one file a thread; a CUDA context about a hundred device nodes."""


def lower() -> None:
    """Lower the limits of this process, soft and hard."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _FILES)
    if not _is_file(2):  # a log that is a file must still be able to grow
        _lower(resource.RLIMIT_FSIZE, 0)


def _lower(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (allowed, allowed))


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # `2>&-`
        return False
