"""A file is replaced whole, or is what it was."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from phsearch.atomic_write import atomic_write

if TYPE_CHECKING:
    from pathlib import Path


def mode(file: Path) -> int:
    return stat.S_IMODE(file.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_has_the_data_and_the_mode_whatever_the_umask_is(tmp_path: Path, umask: int) -> None:
    file, open_file = tmp_path / "a.json", tmp_path / "b"
    file.write_text("old")
    file.chmod(0o666)
    before = os.umask(umask)
    try:
        atomic_write(file, b"new")
        atomic_write(str(open_file), b"open", mode=0o644)
    finally:
        os.umask(before)
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)
    assert (open_file.read_bytes(), mode(open_file)) == (b"open", 0o644)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    file = tmp_path / "a"
    file.write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(file, b"new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").is_dir()


def test_a_link_with_the_name_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours")
    (tmp_path / f".a.{os.getpid()}.{threading.get_native_id()}.part").symlink_to(other)
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert other.read_text() == "not ours"
    assert sorted(os.listdir(tmp_path)) == ["a", "other"]


def test_a_link_at_the_path_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours")
    (tmp_path / "a").symlink_to(other)
    atomic_write(tmp_path / "a", b"new")
    assert not (tmp_path / "a").is_symlink()
    assert other.read_text() == "not ours"


def test_a_name_may_have_any_bytes_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    atomic_write("\udcff.prom", b"new")
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff.prom"]


def test_two_threads_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    whole = [bytes([letter]) * 100_000 for letter in b"ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda turn: atomic_write(file, whole[turn % 2]), range(40)))
    assert file.read_bytes() in whole
    assert os.listdir(tmp_path) == ["a.json"]
