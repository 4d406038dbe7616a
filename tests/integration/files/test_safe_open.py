"""A photo is opened at its own path or not at all, whatever is put in its place."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from phsearch.errors import FileTooLargeError, UnreadableImageError
from phsearch.safe_open import open_regular, read_whole
from support.index_rig import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def read(path: Path | str, root: Path | None) -> bytes:
    descriptor = open_regular(str(path), None if root is None else str(root))
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@contextlib.contextmanager
def open_file(path: str) -> Iterator[int]:
    descriptor = open_regular(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "deep" / "down").mkdir(parents=True)
    (root / "deep" / "down" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "outside" / "down").mkdir(parents=True)
    (tmp_path / "outside" / "down" / "a.jpg").write_bytes(b"outside")
    return root


def test_a_file_is_read_below_its_root_also_when_the_root_is_a_link_itself(root: Path, tmp_path: Path) -> None:
    assert read(root / "deep" / "down" / "a.jpg", root) == b"inside"
    (tmp_path / "alias").symlink_to(root)
    assert read(tmp_path / "alias" / "deep" / "down" / "a.jpg", tmp_path / "alias") == b"inside"


def test_no_link_leads_out_of_a_root_neither_as_the_file_nor_as_a_folder_unless_links_are_followed(root: Path) -> None:
    (root / "b.jpg").symlink_to(root.parent / "outside" / "down" / "a.jpg")
    (root / "linked").symlink_to(root.parent / "outside")
    for name in ("b.jpg", "linked/down/a.jpg"):
        with pytest.raises(OSError, match=r"link|Not a directory"):
            read(root / name, root)
        assert read(root / name, None) == b"outside"


@pytest.mark.parametrize(
    "way", ["../outside/down/a.jpg", "deep/../../outside/down/a.jpg", "./deep/down/a.jpg", "deep//x"]
)
def test_no_dots_lead_out_of_a_root(root: Path, way: str) -> None:
    with pytest.raises(FileNotFoundError):
        read(f"{root}/{way}", root)


def test_anything_but_a_regular_file_is_not_even_opened(root: Path) -> None:
    os.mkfifo(root / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.bind(str(root / "socket.jpg"))
    names = ["fifo.jpg", "socket.jpg", "deep"]
    if os.geteuid() == 0:
        os.mknod(root / "device.jpg", 0o20600, os.makedev(1, 1 << 18))  # opening it would fail: there is no driver
        names.append("device.jpg")
    for name in names:
        with pytest.raises(UnreadableImageError, match="not a regular file"):
            read(root / name, root)


def test_a_folder_that_turns_into_a_link_at_any_moment_never_leads_out(root: Path) -> None:
    deep, link, ended = root / "deep", root.parent / "link", threading.Event()
    link.symlink_to(root.parent / "outside")
    libc = ctypes.CDLL(None, use_errno=True)

    def swap() -> None:
        while not ended.is_set():
            # Both names exist at every moment.
            libc.renameat2(_AT_FDCWD, os.fsencode(deep), _AT_FDCWD, os.fsencode(link), _RENAME_EXCHANGE)

    swapping = threading.Thread(target=swap)
    inside = digest_of(str(deep / "down" / "a.jpg"), root=str(root))
    swapping.start()
    read_inside = refused = 0
    try:
        for _ in range(4000):
            try:
                assert digest_of(str(deep / "down" / "a.jpg"), root=str(root)) == inside
                read_inside += 1
            except OSError:
                refused += 1
    finally:
        ended.set()
        swapping.join()
    assert read_inside
    assert refused


def test_a_whole_file_is_read_up_to_a_limit_from_its_path_or_from_an_open_descriptor(root: Path) -> None:
    path = str(root / "deep" / "down" / "a.jpg")
    status, data = read_whole(path, limit=6)
    assert (status.st_size, data) == (6, b"inside")
    with open_file(path) as descriptor:
        assert read_whole(descriptor, limit=6)[1] == b"inside"
        os.fstat(descriptor)  # it is still open
    with pytest.raises(FileTooLargeError) as caught:
        read_whole(path, limit=5)
    assert caught.value.size == 6


def test_a_file_whose_size_is_not_known_is_read_to_its_end_or_the_limit(root: Path) -> None:
    calls: list[None] = []
    assert read_whole("/proc/self/status", limit=1 << 20, progress=lambda: calls.append(None))[1].startswith(b"Name:")
    assert calls
    with pytest.raises(FileTooLargeError):
        read_whole("/proc/self/status", limit=10)
    with pytest.raises(UnreadableImageError, match="NUL character"):
        read_whole(f"{root}/nul\0.jpg", limit=10)
