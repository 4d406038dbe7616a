"""Opens and reads photo files safely: no link leads elsewhere, and no FIFO or device is opened.

Any program that can write to a watched folder can put a link, a FIFO or a device in the place of a photo at any moment,
also between a check and an open. So the path from the root to the file is opened folder by folder and no step follows a
symbolic link. The last name is checked before it is opened for reading: opening a device may already have an effect,
and opening a FIFO waits for its writer.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import time
from typing import TYPE_CHECKING

from phsearch.domain.types import ContentDigest, Fingerprint
from phsearch.errors import FileTooLargeError, TruncatedImageError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BYTES_PER_PIXEL = 8
_METADATA_BYTES = 64 << 20
_DIGEST_BYTES = 16
_CHUNK = 1 << 20
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_UPWARD = frozenset({"", ".", ".."})
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: str, root: str | None = None) -> int:
    """Open a regular file for reading and return its descriptor.

    With `root`, a folder above `path`, no name below it may be a symbolic link. Raises OSError (ELOOP or ENOTDIR
    at a link) and UnreadableImageError if it is not a regular file.
    """
    if "\0" in path:
        raise UnreadableImageError("no file has a NUL character in its name")
    descriptor = _open_path(path) if root is None else _open_path_below(path, root)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "a symbolic link has taken its place", path)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError("not a regular file")
        return os.open(f"/proc/self/fd/{descriptor}", _READ)
    finally:
        os.close(descriptor)


def largest_photo(max_pixels: int) -> int:
    """Return the bytes of the largest file that a photo of `max_pixels` pixels can need.

    That is an uncompressed photo with four 16-bit channels, and its metadata.
    """
    return max_pixels * _BYTES_PER_PIXEL + _METADATA_BYTES


def read_chunks(descriptor: int, progress: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """Yield the content of an open file in chunks of at most a megabyte.

    `progress` is called for each chunk: a large file on a slow disk is not a hung disk.
    """
    while chunk := os.read(descriptor, _CHUNK):
        progress()
        yield chunk


def read_whole(
    source: str | int, *, limit: int, root: str | None = None, progress: Callable[[], None] = lambda: None
) -> tuple[os.stat_result, bytes]:
    """Return the status and the whole content of a regular file: of a path, or of a descriptor, which stays open.

    The content is copied to memory and not mapped: a mapped file that shrinks kills the process (SIGBUS), and a copy
    cannot change between the header check and the decode. `root` as in open_regular, `progress` as in read_chunks.
    Raises FileTooLargeError for more than `limit` bytes, UnreadableImageError and OSError as open_regular.
    """
    descriptor = open_regular(source, root) if isinstance(source, str) else source
    try:
        status = os.fstat(descriptor)
        if status.st_size > limit:
            raise FileTooLargeError(status.st_size, limit)
        content = io.BytesIO()
        # The size in the status is not enough: the file may grow, and files in /proc have a size of 0.
        for chunk in read_chunks(descriptor, progress):
            content.write(chunk)
            if content.tell() > limit:
                raise FileTooLargeError(content.tell(), limit)
        return status, content.getvalue()
    finally:
        if isinstance(source, str):
            os.close(descriptor)


class DigestReader:
    """Reads a file once, in pieces, and returns its fingerprint and digest.

    The hash is BLAKE2b: as safe as SHA-2, and about 1 GB/s on any processor.
    """

    def __init__(self, path: str, *, limit: int, root: str | None = None) -> None:
        """Open the file; `root` as in open_regular.

        Raises OSError and UnreadableImageError: FileTooLargeError for more than `limit` bytes, TruncatedImageError for
        none, and neither for a file that has a size and nothing on the disk.
        """
        self._descriptor = open_regular(path, root)
        self._before = Fingerprint.of(os.fstat(self._descriptor))
        refusal = self._refusal(limit)
        if refusal is not None:
            self.close()
            raise refusal
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def read_for(self, seconds: float, progress: Callable[[], None] = lambda: None) -> bool:
        """Read on for so long, `progress` as in read_chunks. Return whether all is read. Raises OSError."""
        until = time.monotonic() + seconds
        for chunk in read_chunks(self._descriptor, progress):
            self._hash.update(chunk)
            if time.monotonic() >= until:
                return False
        return True

    def result(self) -> ContentDigest | None:
        """Return fingerprint and digest of what was read; None if the file changed meanwhile. Raises OSError."""
        after = Fingerprint.of(os.fstat(self._descriptor))
        return ContentDigest(self._before, self._hash.digest()) if self._before.is_unchanged(after) else None

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _refusal(self, limit: int) -> UnreadableImageError | None:
        if self._before.size == 0:
            return TruncatedImageError("empty file (0 bytes)")
        if self._before.size > limit:
            return FileTooLargeError(self._before.size, limit)
        return UnreadableImageError("nothing but zeros, not a photo") if _is_hole(self._descriptor) else None


def _is_hole(descriptor: int) -> bool:
    """Whether nothing of a file is on the disk. Where the file system does not tell, something is."""
    try:
        os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    os.lseek(descriptor, 0, os.SEEK_SET)
    return False


def _open_path(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _open_path_below(path: str, root: str) -> int:
    """Return a descriptor of `path` (O_PATH), which cannot read it. The last name itself may be a link."""
    if not _UPWARD.isdisjoint(path.split("/")[1:]):
        raise FileNotFoundError(errno.ENOENT, "not a plain path", path)
    # The user chose the root, so it may be a link.
    folder_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    *folders, name = path[len(root) :].strip("/").split("/")
    for folder in folders:
        parent_fd = folder_fd
        try:
            folder_fd = os.open(folder, _STEP | os.O_DIRECTORY, dir_fd=parent_fd)
        finally:
            os.close(parent_fd)
    try:
        return os.open(name, _STEP, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
