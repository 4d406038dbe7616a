"""Looking at the machine without ever waiting for it: files, locks, the socket's other end, systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from phsearch.domain.doctor import file_checks, systemd_checks
from phsearch.domain.doctor.contact_checks import DaemonProbe
from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_UCRED = struct.Struct("3i")
_SYSTEMD_SECONDS = 3.0
_KINDS: tuple[tuple[Callable[[int], bool], file_checks.Kind], ...] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISSOCK, "socket"),
)


class Timer:
    """How long something took."""

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start


def with_timeout(seconds: float, call: Callable[[], _T]) -> _T | OSError | PhsearchError:
    """Give what `call` gives, or the error it ends with; TimeoutError when it does not end in time.

    A thread that a hung disk holds is left behind: it ends with the process.
    """
    answer: list[_T | OSError | PhsearchError] = []

    def attempt() -> None:
        try:
            answer.append(call())
        except (OSError, PhsearchError) as problem:
            answer.append(problem)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else TimeoutError()


def file_info(path: str) -> file_checks.FileInfo:
    """Look at a path, through links: dotfiles are often links. Raises OSError, but not for one that is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return file_checks.FileInfo(path)
    kind: file_checks.Kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "other")
    return file_checks.FileInfo(path, kind, found.st_uid, stat.S_IMODE(found.st_mode))


def listed(folder: str) -> bool:
    """List a folder. Raises OSError."""
    with os.scandir(folder) as entries:
        next(entries, None)
    return True


def space(folder: Path) -> file_checks.Space:
    """Ask the disk a folder is on, or will be on. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return file_checks.Space.of(str(folder), os.statvfs(folder))


def lock_holder(path: Path) -> int | None:
    """Give who holds a lock on a file, by /proc/locks: trying to take it could keep a daemon from starting."""
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        # "1: FLOCK  ADVISORY  WRITE 4711 fe:00:2148543 0 EOF"; on btrfs the device is not the one that stat gives.
        fields = line.split()
        if "FLOCK" in fields and fields[-3].rpartition(":")[2] == str(inode):
            return int(fields[-4])
    return None


def connect_probe(path: str, seconds: float) -> DaemonProbe:
    """Connect to a socket, ask nothing, and learn from the kernel who listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(seconds)
        try:
            knocking.connect(path)
        except FileNotFoundError:
            return DaemonProbe(path, "absent")
        except ConnectionRefusedError:
            return DaemonProbe(path, "refused")
        except (TimeoutError, BlockingIOError):  # as many wait already as the listener lets wait
            return DaemonProbe(path, "silent", seconds)
        except OSError as problem:
            return DaemonProbe(path, "other", problem=f"cannot connect to {path}: {problem.strerror or problem}")
        pid, _uid, _gid = _UCRED.unpack(knocking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    # With socket activation it is systemd that listens, and of whom nobody should be told to kill it.
    activated = command_name(pid).startswith("systemd")
    return DaemonProbe(path, "answered", pid=0 if activated else pid, activated=activated)


def command_name(pid: int) -> str:
    """Give the name of what a process runs, "" for one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return ""


def stopped(pid: int) -> bool:
    """Tell whether a process is halted by a signal."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1] in "Tt"
    return False


def systemd() -> bool:
    """Tell whether systemd runs this machine (sd_booted(3)) and can be asked."""
    return os.path.isdir("/run/systemd/system") and shutil.which("systemctl") is not None  # noqa: PTH112


def shown(program: str, *words: str) -> tuple[dict[str, str], str]:
    """Give the properties that `program ... show` lists, and why there are none.

    The last words, those that begin with a capital, name the properties.
    """
    names = [word for word in words if word[:1].isupper()]
    rest = [word for word in words if word not in names]
    try:
        done = subprocess.run(  # noqa: S603 - systemctl and loginctl, with words of our own
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


def program(name: str, searched: str) -> str | None:
    """Give the program a command would run, None where there is none."""
    return shutil.which(name, path=searched or None) if name else None
