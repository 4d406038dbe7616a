"""Landlock rules: which files a worker may read; it may write none. See landlock(7).

A rule applies to a folder as it was when it was opened, and to the threads started afterwards. A disk that is mounted
later over a photo folder is therefore another folder, which the worker may not read. The daemon then replaces the
worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_ALL_THREADS = 1 << 3
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _READ_FILE, _READ_DIR, _IOCTL_DEV = 1 << 1, 1 << 2, 1 << 3, 1 << 15
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI version -> how many file access rights it has."""
_NET_SINCE, _BIND_AND_CONNECT_TCP = 4, 0b11
_SCOPES_SINCE, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11
_THREADS_SINCE = 8

_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/proc", "/sys", "/nix/store", "/gnu/store")
_HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_GPU_PATTERNS = ("nvidia*", "dri", "kfd")

_libc = ctypes.CDLL(None, use_errno=True)


def install_ruleset(photos: Sequence[str] | None, *, device: bool) -> int:
    """Restrict this thread and those it will start; return the version of Landlock, or 0 without Landlock."""
    version = int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION))
    if version <= 0:
        return 0
    rights = (1 << max(count for since, count in _FS_RIGHTS.items() if since <= version)) - 1
    net = _BIND_AND_CONNECT_TCP if version >= _NET_SINCE else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", rights, net, scopes)
    size = 8 if version < _NET_SINCE else 16 if version < _SCOPES_SINCE else 24
    ruleset = int(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    if ruleset < 0:
        return 0
    try:
        for path in ("/",) if photos is None else (*_readable_folders(), *photos):
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in (*_HARMLESS_DEVICES, *(_gpu_devices() if device else ())):
            _allow(ruleset, path, rights & (_READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL_DEV))
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        flags = _ALL_THREADS if version >= _THREADS_SINCE else 0
        return version if _libc.syscall(_RESTRICT_SELF, ruleset, flags) == 0 else 0
    finally:
        os.close(ruleset)


def _readable_folders() -> Iterator[str]:
    """Yield the folders of the system, of Python, and of every library this process has mapped."""
    yield from _SYSTEM_FOLDERS
    yield from dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path))
    yield str(Path(__file__).parents[2])
    mapped = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_bytes().splitlines():
            if (name := os.fsdecode(line[line.find(b"/") :])).endswith(".so") or ".so." in name:
                mapped.add(os.path.dirname(name))  # noqa: PTH120 - surrogates stay
    yield from sorted(mapped)


def _gpu_devices() -> Iterator[str]:
    for pattern in _GPU_PATTERNS:
        yield from map(str, Path("/dev").glob(pattern))


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow `rights` on a file, or below a folder; a missing path needs no rule."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path or ".", os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= ~_READ_DIR
            rule = struct.pack("=Qi", rights, descriptor)
            _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)
