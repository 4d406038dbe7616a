"""What /proc says of processes: their memory and files, and who uses how much of inotify."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from phsearch.domain.doctor.inside import Inotify

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LIMITS = (
    "fs.inotify.max_user_watches",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_queued_events",
    "user.max_inotify_watches",
    "user.max_inotify_instances",
)
_LINK = "anon_inode:inotify"


def resident(pid: int) -> int | None:
    """Give the bytes of memory a process has in use, shared ones too; None for one that is gone."""
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return None


def open_files(pid: int) -> int | None:
    """Count the open file descriptors of a process; None for one that is gone or another user's."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return None


def inotify() -> Inotify:
    """Count watches and instances of inotify, of this process and of all of its user's that may be looked at."""
    own = _used(os.getpid())
    watches, instances = own
    uid = os.getuid()
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                more = _used(int(folder.name))
                watches, instances = watches + more[0], instances + more[1]
    return Inotify(own[0], own[1], watches, instances, _limits())


def _used(pid: int) -> tuple[int, int]:
    watches = instances = 0
    with contextlib.suppress(OSError):
        for link in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                # An instance that was inherited is counted twice, which errs on the safe side.
                if os.readlink(link.path) == _LINK:  # noqa: PTH115 - hundreds of them
                    instances += 1
                    info = (_PROC / str(pid) / "fdinfo" / link.name).read_bytes()
                    watches += info.count(b"inotify wd:")
    return watches, instances


def _limits() -> dict[str, int]:
    limits = {}
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limits[name] = int(Path("/proc/sys", name.replace(".", "/")).read_text(encoding="ascii"))
    return limits
