"""Limits and priorities of this process: open files, and the priority of disk accesses.

The daemon's disk accesses go last: at the lowest level of the class "best effort", not in the class "idle". On a disk
that is never idle (a backup, a large copy), an idle reader waits until that ends. A good photo then looks like one that
hangs its decoder, and a good disk looks hung. A thread with nice value 19 has this level by default, but only if no
level was inherited, for example from IOSchedulingPriority= in a unit.

The daemon's own threads keep their CPU priority. A thread that is rarely scheduled could hold the interpreter's lock,
and a query would wait for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import resource

_MAX_OPEN_FILES = 65_536
"""Some systems allow a billion. Programs that close "all" descriptors take minutes there."""

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "loongarch64": 30, "ppc64le": 273, "s390x": 282}
"""The number of the system call, for which the C library has no function."""

_WHO_PROCESS = 1
_BEST_EFFORT_LOWEST = 2 << 13 | 7


def raise_open_files_limit() -> int:
    """Raise the limit on open files as far as is allowed and sensible; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def set_lowest_ioprio() -> bool:
    """Set the lowest disk priority for this thread and those it starts; return whether the kernel accepted it."""
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        return False
    return bool(ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _BEST_EFFORT_LOWEST) == 0)
