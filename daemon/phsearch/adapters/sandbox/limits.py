"""Resource limits and capabilities: no core dumps of photos, no growing files, few file descriptors.

Memory is not limited here: CUDA reserves address space without limit, and the daemon's LimitMonitor measures what is
used. Nor is the number of processes, which the kernel counts per user: the seccomp filter refuses new processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import stat
import struct

_MAX_FILES = 1024
"""A decoder has one open file a thread, a CUDA context about a hundred device nodes."""
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_READ_SEARCH = 1 << 2
_NONE = 0


def set_rlimits(*, writes: bool) -> None:
    """Lower the limits of this process, soft and hard. With `writes` its open files may grow."""
    _set_rlimit(resource.RLIMIT_CORE, 0)
    _set_rlimit(resource.RLIMIT_NOFILE, _MAX_FILES)
    if not writes and not _is_file(2):  # a log that is a file must still be able to grow
        _set_rlimit(resource.RLIMIT_FSIZE, 0)


def drop_capabilities() -> None:
    """Drop all capabilities but CAP_DAC_READ_SEARCH, for this thread and those it will start.

    Only root's workers have any. They keep that one to read the photos of other users.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held) == 0:
        kept = struct.unpack_from("=I", held)[0] & _DAC_READ_SEARCH
        libc.capset(header, struct.pack("=6I", kept, kept, _NONE, _NONE, _NONE, _NONE))


def _set_rlimit(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (allowed, allowed))


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # `2>&-`
        return False
