"""What /proc says of processes: their memory and files, and who uses how much of inotify."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path, PurePosixPath

from phsearch.domain.doctor.daemon_checks import InotifyUse

# What /proc and the control groups say of memory, and how to need less of it.


_CGROUPS = Path("/sys/fs/cgroup")
_PRIVATE_FIELDS = (b"RssAnon:", b"VmSwap:")


def private_bytes(pid: int) -> int:
    """Give the bytes a process has to itself, in memory or swapped out; 0 for one that is gone.

    Files that it maps (libraries, weights) are not counted: the kernel can drop those at any time.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_PRIVATE_FIELDS))


def total_bytes() -> int:
    """Give the bytes of memory this process and its children may have: the machine's, or its control group's limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("0::"):
                limits += _group_limits(line.removeprefix("0::"))
    return min(limits)


def malloc_trim() -> None:
    """Give memory that was freed back to the system: the C library keeps it for what may come."""
    ctypes.CDLL(None).malloc_trim(0)


def _group_limits(group: str) -> list[int]:
    limits = []
    for folder in (PurePosixPath(group), *PurePosixPath(group).parents):
        with contextlib.suppress(OSError, ValueError):  # no such file at the top, or "max"
            limits.append(int((_CGROUPS / str(folder).lstrip("/") / "memory.max").read_text(encoding="ascii")))
    return limits


_PROC = Path("/proc")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_INOTIFY_LIMITS = (
    "fs.inotify.max_user_watches",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_queued_events",
    "user.max_inotify_watches",
    "user.max_inotify_instances",
)
_INOTIFY_LINK = "anon_inode:inotify"


def resident_bytes(pid: int) -> int | None:
    """Give the bytes of memory a process has in use, shared ones too; None for one that is gone."""
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE_SIZE
    except (OSError, IndexError):
        return None


def open_file_count(pid: int) -> int | None:
    """Count the open file descriptors of a process; None for one that is gone or another user's."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return None


def inotify_use() -> InotifyUse:
    """Count watches and instances of inotify, of this process and of all of its user's that may be looked at."""
    own = _inotify_counts(os.getpid())
    watches, instances = own
    uid = os.getuid()
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                more = _inotify_counts(int(folder.name))
                watches, instances = watches + more[0], instances + more[1]
    return InotifyUse(own[0], own[1], watches, instances, _inotify_limits())


def _inotify_counts(pid: int) -> tuple[int, int]:
    watches = instances = 0
    with contextlib.suppress(OSError):
        for link in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                # An instance that was inherited is counted twice, which errs on the safe side.
                if os.readlink(link.path) == _INOTIFY_LINK:  # noqa: PTH115 - hundreds of them
                    instances += 1
                    info = (_PROC / str(pid) / "fdinfo" / link.name).read_bytes()
                    watches += info.count(b"inotify wd:")
    return watches, instances


def _inotify_limits() -> dict[str, int]:
    limits = {}
    for name in _INOTIFY_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limits[name] = int(Path("/proc/sys", name.replace(".", "/")).read_text(encoding="ascii"))
    return limits
