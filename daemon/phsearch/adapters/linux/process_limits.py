"""Disk accesses behind everybody else's, for the thread that asks for it and those that it starts.

The lowest level of the class "best effort", not the class "idle": on a disk that is never idle (a backup, a large copy)
an idle reader waits for as long as that lasts, and then a sound photo looks like one that hangs its decoder, and a
sound disk like one that does not answer. A thread with a priority of 19 has this level by itself, but only where no
level was inherited, say of IOSchedulingPriority= in a unit.

The daemon's own threads keep their processor priority: one that is rarely scheduled might hold the interpreter's lock
at that moment, and a query would wait for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import resource
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

# How many files this process may have open.


_MAX_OPEN_FILES = 65_536
"""Some systems allow a billion, and programs that close "all" descriptors take minutes there."""


def raise_open_files_limit() -> int:
    """Raise the limit as far as is allowed and sensible; gives what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft


_P = ParamSpec("_P")
_T = TypeVar("_T")

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "loongarch64": 30, "ppc64le": 273, "s390x": 282}
"""The system call's number; the C library has no function for it."""

_WHO_PROCESS = 1
_BEST_EFFORT_LOWEST = 2 << 13 | 7


def set_lowest_ioprio() -> bool:
    """Put this thread's disk accesses last; tells whether the kernel agreed."""
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        return False
    return bool(ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _BEST_EFFORT_LOWEST) == 0)


def with_lowest_ioprio(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """Give the call with its disk accesses put last, for threads that do nothing else."""

    def last(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        set_lowest_ioprio()
        return call(*args, **kwargs)

    return last
