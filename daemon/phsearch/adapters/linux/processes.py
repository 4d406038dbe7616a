"""Memory, open files and inotify use of processes, from /proc and the control groups."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from pathlib import Path, PurePosixPath

from phsearch.domain.doctor.daemon_checks import InotifyUse

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_PRIVATE_FIELDS = (b"RssAnon:", b"VmSwap:")
_INOTIFY_LIMITS = (
    "fs.inotify.max_user_watches",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_queued_events",
    "user.max_inotify_watches",
    "user.max_inotify_instances",
)
_INOTIFY_LINK = "anon_inode:inotify"


def private_bytes(pid: int) -> int:
    """Return the bytes of memory that only this process uses, in RAM or swapped out; 0 if there is no such process.

    Mapped files (libraries, weights) are not counted, since the kernel can drop them at any time.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_PRIVATE_FIELDS))


def total_bytes() -> int:
    """Return the bytes of memory this process and its children may use: the machine's, or its control group's limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("0::"):
                limits += _group_limits(line.removeprefix("0::"))
    return min(limits)


def malloc_trim() -> None:
    """Return freed memory to the system; the C library otherwise keeps it for later use."""
    ctypes.CDLL(None).malloc_trim(0)


def release_mapped_files() -> None:
    """Return to the system what this process has read of files that it maps read-only; it is read again when needed.

    A runtime maps the weights of a model, and computes with a copy of its own.
    """
    madvise = ctypes.CDLL(None).madvise
    for line in (_PROC / "self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, mode, *_ = line.split(maxsplit=2)
        if mode == "r--s":
            start, end = (int(number, 16) for number in span.split("-"))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def resident_bytes(pid: int) -> int | None:
    """Return the bytes of memory a process uses, shared ones included; None if there is no such process."""
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE_SIZE
    except (OSError, IndexError):
        return None


def open_file_count(pid: int) -> int | None:
    """Return the number of open file descriptors; None if the process is gone or belongs to another user."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - only the names are needed
    except OSError:
        return None


def inotify_use() -> InotifyUse:
    """Return the watches and instances of inotify of this process, and of all readable ones of its user."""
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


def _group_limits(group: str) -> list[int]:
    limits = []
    for folder in (PurePosixPath(group), *PurePosixPath(group).parents):
        with contextlib.suppress(OSError, ValueError):  # no such file at the top, or "max"
            limits.append(int((_CGROUPS / str(folder).lstrip("/") / "memory.max").read_text(encoding="ascii")))
    return limits


def _inotify_counts(pid: int) -> tuple[int, int]:
    watches = instances = 0
    with contextlib.suppress(OSError):
        for link in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                # An inherited instance is counted twice, which errs on the safe side.
                if os.readlink(link.path) == _INOTIFY_LINK:  # noqa: PTH115 - there are hundreds
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
