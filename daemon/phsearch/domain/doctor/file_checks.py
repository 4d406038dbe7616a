"""Files and folders: their owner, their permissions, and the free space."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from phsearch.domain.doctor.check import Check, fail, ok, warn

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

_Check = TypeVar("_Check", bound=Check | None)
FileKind = Literal["absent", "file", "folder", "socket", "other"]

LOW_SPACE = 1 << 30
"""Bytes free in the state directory below which there is a warning: maintenance needs some space, too."""
NO_SPACE = 100 << 20
"""Bytes free below which the index can hardly be written."""

_OTHERS = 0o077
_OWNER = 0o700
_WORLD_WRITABLE = 0o002
_STICKY = 0o1000


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The state of a path; `problem` is the reason why it could not be read."""

    path: str
    kind: FileKind = "absent"
    uid: int = -1
    mode: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the file system that holds `path`."""

    path: str
    free: int
    total: int

    @classmethod
    def of(cls, path: str, found: os.statvfs_result) -> Space:
        """Return the space by statvfs(3). Blocks reserved for root are not free."""
        return cls(path, found.f_frsize * found.f_bavail, found.f_frsize * found.f_blocks)


def config(entry: FileInfo, uid: int, problem: str = "", hint: str = "") -> Check:
    """Judge the config file; `problem` is the error in its content."""
    name, file, path = "config", entry.path, shlex.quote(entry.path)
    faults = (
        (entry.problem, fail(name, f"{file}: {entry.problem}", f"ls -ld {path}")),
        (problem, fail(name, problem, hint or f"correct {path}")),
        (entry.kind == "absent", ok(name, f"{file} is not there: every setting has its default")),
        (
            entry.uid not in {uid, 0},
            warn(name, f"{file} belongs to user {entry.uid}, who may change it", f"sudo chown {uid} {path}"),
        ),
        (entry.mode & _WORLD_WRITABLE, warn(name, f"{file} may be changed by everybody", f"chmod o-w {path}")),
    )
    return _first(faults, ok(name, file))


def private_folder(name: str, entry: FileInfo, uid: int) -> Check:
    """Judge a folder that only its owner may use."""
    folder, path, mode = entry.path, shlex.quote(entry.path), f"mode {entry.mode:04o}"
    own = "give phsearchd a folder of its own: see --state-dir and --socket in phsearchd --help"
    faults = (
        (entry.problem, fail(name, f"{folder}: {entry.problem}", f"ls -ld {path}")),
        (entry.kind == "absent", ok(name, f"{folder} is not there yet: phsearchd makes it")),
        (entry.kind != "folder", fail(name, f"{folder} is not a folder", f"mv {path} {path}.old")),
        (
            entry.uid != uid or entry.mode & _STICKY,
            fail(name, f"{folder} belongs to user {entry.uid}, {mode}", own),
        ),
        (entry.mode & _OTHERS, fail(name, f"{folder} is open to others: {mode}", f"chmod 700 {path}")),
        (entry.mode & _OWNER != _OWNER, fail(name, f"{folder} is closed to its owner: {mode}", f"chmod 700 {path}")),
    )
    return _first(faults, ok(name, f"{folder}, {mode}"))


def socket(entry: FileInfo, uid: int) -> Check | None:
    """Judge the socket's file; None if there is none, which the check of the daemon reports."""
    name, file, path, mode = "socket", entry.path, shlex.quote(entry.path), f"mode {entry.mode:04o}"
    own = "ask as the user whose daemon it is, or give your own with --socket"
    faults = (
        (entry.problem, fail(name, f"{file}: {entry.problem}", f"ls -ld {path}")),
        (entry.kind == "absent", None),
        (entry.kind != "socket", fail(name, f"{file} is not a socket", f"mv {path} {path}.old")),
        (entry.uid != uid, fail(name, f"{file} belongs to user {entry.uid}", own)),
        (entry.mode & _OTHERS, fail(name, f"{file} is open to others: {mode}", f"chmod 600 {path}")),
    )
    return _first(faults, ok(name, f"{file}, {mode}"))


def root(entry: FileInfo, *, readable: bool) -> Check:
    """Judge a folder of photos as the client sees it."""
    name, folder, path = "root", entry.path, shlex.quote(entry.path)
    make = f"mount its disk or mkdir -p {path}; or change roots in the settings"
    faults = (
        # A missing folder is offline: the daemon waits for it.
        (entry.problem, warn(name, f"{folder}: {entry.problem}", f"findmnt --target {path}")),
        (entry.kind == "absent", warn(name, f"{folder} is not there", make)),
        (entry.kind != "folder", fail(name, f"{folder} is not a folder", "change roots in the settings")),
        (not readable, fail(name, f"{folder} may not be read", f"chmod u+rx {path}")),
    )
    return _first(faults, ok(name, folder))


def space(name: str, space: Space) -> Check:
    """Judge the free space of a disk."""
    text = f"{in_bytes(space.free)} free of {in_bytes(space.total)} at {space.path}"
    remedy = f"make room: du -xh --max-depth=1 {shlex.quote(space.path)} | sort -h shows what phsearch takes there"
    if space.free < NO_SPACE:
        return fail(name, f"{text}: the index can hardly be written", remedy)
    if space.free < LOW_SPACE:
        return warn(name, f"{text}: less than {in_bytes(LOW_SPACE)}", remedy)
    return ok(name, text)


def _first(faults: Iterable[tuple[object, _Check]], otherwise: _Check) -> _Check:
    """Return the first check whose condition is true."""
    return next((check for applies, check in faults if applies), otherwise)


def in_bytes(count: float) -> str:
    """Return an amount in words: "512 bytes", "1.5 GB"."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004 - a kilo
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"  # noqa: PLR2004 - 3 digits
