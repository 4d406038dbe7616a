"""A disk that accepts names in other case, with accented letters in another form, and short names, as of Windows.

It is a FUSE file system over a folder, served by a thread of the test. What is in it can be read and renamed; new files
are put into the folder behind it. That needs root and /dev/fuse, see `hung_fs.why_not`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import threading
from typing import TYPE_CHECKING

from phsearch.text import fold_name
from support.machine.hung_fs import HungMount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_REQUEST = struct.Struct("<IIQQIIII")
_REPLY = struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_ENTRY = struct.Struct("<4Q2I")
_TOP = 1


@contextlib.contextmanager
def folding(back: Path, at: Path) -> Iterator[None]:
    """Show the folder `back` at the folder `at` until the end of the block. Raises OSError."""
    mount = HungMount(at, "allow_other")
    server = threading.Thread(target=_FoldingServer(back, mount.device).serve, daemon=True)
    server.start()
    try:
        yield
    finally:
        mount.end()
        server.join()


def short_name(name: str) -> str:
    """Return the short name of a long one; of two that begin alike both have the same here."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem[:6]}~1.{suffix[:3]}".upper() if len(stem) > 8 else name


class _FoldingServer:
    """Answers the kernel's requests. Each spelling is a node, for the kernel renames no node to itself."""

    def __init__(self, back: Path, device: int) -> None:
        self._back = str(back)
        self._device = device
        self._nodes: dict[int, tuple[int, str]] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._last = _TOP
        self._calls: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup,
            3: lambda node, _: struct.pack("<QII", 0, 0, 0) + self._attr(self._path(node)),
            12: lambda node, data: self._rename(node, data, 8),
            14: lambda _node, _data: bytes(16),
            15: self._read,
            17: lambda _node, _data: bytes(80),
            26: lambda _node, _data: struct.pack("<4I2HII", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1) + bytes(36),
            27: lambda _node, _data: bytes(16),
            28: self._read_folder,
            45: lambda node, data: self._rename(node, data, 16),
            **dict.fromkeys((18, 25, 29), lambda _node, _data: b""),
        }

    def serve(self) -> None:
        """Answer until the mount ends."""
        while True:
            try:
                request = os.read(self._device, 1 << 18)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT}:
                    continue
                return
            _, code, unique, node, *_ = _REQUEST.unpack_from(request)
            if code in {2, 36, 42}:  # what was forgotten or interrupted gets no answer
                continue
            fault, answer = 0, b""
            try:
                call = self._calls.get(code)
                answer, fault = (b"", errno.ENOSYS) if call is None else (call(node, request[_REQUEST.size :]), 0)
            except OSError as error:
                fault = error.errno or errno.EIO
            with contextlib.suppress(OSError):
                os.write(self._device, _REPLY.pack(_REPLY.size + len(answer), -fault, unique) + answer)

    def _path(self, node: int) -> str:
        if node == _TOP:
            return self._back
        parent, name = self._nodes[node]
        return os.path.join(self._path(parent), self._listed(parent, name))

    def _listed(self, node: int, name: str) -> str:
        names = os.listdir(self._path(node))
        if name in names:
            return name
        same = (each for each in names if fold_name(name) in {fold_name(each), fold_name(short_name(each))})
        found = next(same, None)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such name", name)
        return found

    def _attr(self, path: str) -> bytes:
        status = os.lstat(path)
        times = [status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns]
        seconds, rest = zip(*(divmod(each, 10**9) for each in times), strict=True)
        sizes = (status.st_ino, status.st_size, status.st_blocks)
        numbers = (status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0, 4096, 0)
        return _ATTR.pack(*sizes, *seconds, *rest, *numbers)

    def _lookup(self, node: int, data: bytes) -> bytes:
        name = os.fsdecode(data.rstrip(b"\0"))
        attr = self._attr(os.path.join(self._path(node), self._listed(node, name)))
        if (node, name) not in self._numbers:
            self._last += 1
            self._numbers[node, name] = self._last
        number = self._numbers[node, name]
        self._nodes[number] = node, name
        return _ENTRY.pack(number, 0, 0, 0, 0, 0) + attr

    def _rename(self, node: int, data: bytes, skip: int) -> bytes:
        (parent,) = struct.unpack_from("<Q", data)
        old, new = (os.fsdecode(each) for each in data[skip:].split(b"\0")[:2])
        source = os.path.join(self._path(node), self._listed(node, old))
        os.rename(source, os.path.join(self._path(parent), new))
        if (number := self._numbers.pop((node, old), None)) is not None:
            self._numbers[parent, new], self._nodes[number] = number, (parent, new)
        return b""

    def _read(self, node: int, data: bytes) -> bytes:
        _handle, offset, size = struct.unpack_from("<QQI", data)
        with open(self._path(node), "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def _read_folder(self, node: int, data: bytes) -> bytes:
        _handle, offset, size = struct.unpack_from("<QQI", data)
        found = b""
        for number, name in enumerate(sorted(os.listdir(self._path(node)))[offset:], offset + 1):
            status, raw = os.lstat(os.path.join(self._path(node), name)), os.fsencode(name)
            entry = struct.pack("<QQII", status.st_ino, number, len(raw), stat.S_IFMT(status.st_mode) >> 12) + raw
            entry += bytes(-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found
