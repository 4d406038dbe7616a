"""Probes of the machine that never wait for long: files, locks, the process behind the socket, systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from phsearch.domain.doctor import file_checks, systemd_checks
from phsearch.domain.doctor.contact_checks import DaemonProbe
from phsearch.errors import PhsearchError
from phsearch.timing import DaemonThreads, TimedCall

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_UCRED = struct.Struct("3i")
_SYSTEMD_SECONDS = 3.0
_KINDS: tuple[tuple[Callable[[int], bool], file_checks.FileKind], ...] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISSOCK, "socket"),
)


class Timer:
    """A context manager that measures how long its block took, in `seconds`."""

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start


def with_timeout(seconds: float, call: Callable[[], _T]) -> _T | OSError | PhsearchError:
    """Return the result of `call`, or the error that it raises; TimeoutError when it does not end in time.

    A thread that a hung disk holds is left behind. It ends with the process.
    """
    timed = TimedCall(lambda _progress: call(), threads=DaemonThreads("probe"))
    if not timed.wait(seconds):
        return TimeoutError()
    try:
        return timed.result()
    except (OSError, PhsearchError) as problem:
        return problem


def file_info(path: str) -> file_checks.FileInfo:
    """Return what is at a path, which need not exist. Links are followed, as dotfiles often are. Raise OSError."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return file_checks.FileInfo(path)
    kind: file_checks.FileKind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "other")
    return file_checks.FileInfo(path, kind, found.st_uid, stat.S_IMODE(found.st_mode))


def is_listable(folder: str) -> bool:
    """Whether a folder can be listed: True, or raise OSError."""
    with os.scandir(folder) as entries:
        next(entries, None)
    return True


def disk_space(folder: Path) -> file_checks.Space:
    """Return the space of the disk that a folder is on, or will be on. Raise OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return file_checks.Space.of(str(folder), os.statvfs(folder))


def connect_probe(path: str, seconds: float) -> DaemonProbe:
    """Connect to a socket without a request, and return which process listens: the kernel knows it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(path)
        except FileNotFoundError:
            return DaemonProbe(path, "absent")
        except ConnectionRefusedError:
            return DaemonProbe(path, "refused")
        except (TimeoutError, BlockingIOError):  # the listener's queue is full
            return DaemonProbe(path, "silent", seconds)
        except OSError as problem:
            return DaemonProbe(path, "other", problem=f"cannot connect to {path}: {problem.strerror or problem}")
        pid, _uid, _gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    # With socket activation systemd listens. Its pid is left out, so that no hint says to kill it.
    activated = command_name(pid).startswith("systemd")
    return DaemonProbe(path, "answered", pid=0 if activated else pid, activated=activated)


def command_name(pid: int) -> str:
    """Return the name of a process's program, "" for a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return ""


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1] in "Tt"
    return False


def has_systemd() -> bool:
    """Whether systemd runs this machine (sd_booted(3)), and systemctl is installed."""
    return os.path.isdir("/run/systemd/system") and shutil.which("systemctl") is not None  # noqa: PTH112


def show_properties(program: str, *words: str) -> tuple[dict[str, str], str]:
    """Return the properties that `program ... show` lists, and an error where there are none.

    Words that begin with a capital name the properties.
    """
    names = [word for word in words if word[:1].isupper()]
    rest = [word for word in words if word not in names]
    try:
        done = subprocess.run(  # noqa: S603 - systemctl and loginctl, with fixed words
            [program, *rest, *(f"--property={name}" for name in names)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SYSTEMD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"{program} did not answer within {_SYSTEMD_SECONDS:g} s"
    except OSError as problem:
        return {}, f"{program} cannot be run: {problem.strerror}"
    if done.returncode:
        return {}, " ".join(done.stderr.split()) or f"{program} failed with status {done.returncode}"
    return systemd_checks.properties(done.stdout), ""


def find_program(name: str, searched: str) -> str | None:
    """Return the path of the program that a command would run, or None."""
    return shutil.which(name, path=searched or None) if name else None
