"""What /proc and the control groups say of memory, and how to need less of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = (b"RssAnon:", b"VmSwap:")


def own(pid: int) -> int:
    """Give the bytes a process has to itself, in memory or swapped out; 0 for one that is gone.

    Files that it maps (libraries, weights) are not counted: the kernel can drop those at any time.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_OWN))


def machine() -> int:
    """Give the bytes of memory this process and its children may have: the machine's, or its control group's limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("0::"):
                limits += _group_limits(line.removeprefix("0::"))
    return min(limits)


def give_back() -> None:
    """Give memory that was freed back to the system: the C library keeps it for what may come."""
    ctypes.CDLL(None).malloc_trim(0)


def _group_limits(group: str) -> list[int]:
    limits = []
    for folder in (PurePosixPath(group), *PurePosixPath(group).parents):
        with contextlib.suppress(OSError, ValueError):  # no such file at the top, or "max"
            limits.append(int((_CGROUPS / str(folder).lstrip("/") / "memory.max").read_text(encoding="ascii")))
    return limits
