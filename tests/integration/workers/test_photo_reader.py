"""Which files the index worker reads, whatever else keeps it from others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.images import PillowDecoder
from phsearch.adapters.images.metadata import MAX_SIDECAR_BYTES
from phsearch.domain.types import Fingerprint
from phsearch.worker.photo_reader import PhotoReader
from support.harness import photo
from support.workers.colour import PREPROCESS

if TYPE_CHECKING:
    from pathlib import Path


def test_a_photo_of_a_folder_that_was_added_later_is_not_read_and_its_folder_counts_as_replaced(tmp_path: Path) -> None:
    for name in ("known", "later"):
        photo(tmp_path / name / "red.png", "red")
    reader = PhotoReader(
        roots=[str(tmp_path / "known")], decoder=PillowDecoder(1_000_000), preprocess=PREPROCESS, follow=False
    )
    known, later = (str(tmp_path / name / "red.png") for name in ("known", "later"))
    status = os.stat(known)
    assert reader.read(known, Fingerprint.of(status)) is not None
    assert not reader.root_replaced(known)
    status = os.stat(later)
    with pytest.raises(PermissionError):
        reader.read(later, Fingerprint.of(status))
    assert reader.root_replaced(later)


TAKEOUT = '{"photoTakenTime": {"timestamp": "1400000000"}}'


def taken_at(folder: Path, name: str = "red.png", *, follow: bool = False) -> str | None:
    reader = PhotoReader(roots=[str(folder)], decoder=PillowDecoder(1_000_000), preprocess=PREPROCESS, follow=follow)
    path = str(photo(folder / name, "red"))
    decoded = reader.read(path, Fingerprint.of(os.stat(path)))
    assert decoded is not None
    return decoded.info.taken_at


def test_a_file_beside_a_photo_says_when_it_was_taken(tmp_path: Path) -> None:
    (tmp_path / "red.png.json").write_text(TAKEOUT)
    assert taken_at(tmp_path) == "2014-05-13T16:53:20+00:00"


def test_a_sidecar_is_a_regular_file_of_the_folder_and_of_reasonable_size(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.json", tmp_path / "photos"
    folder.mkdir()
    outside.write_text(TAKEOUT)
    (folder / "a.png.json").symlink_to(outside)
    os.mkfifo(folder / "b.png.json")
    (folder / "c.png.json").write_text(TAKEOUT + " " * MAX_SIDECAR_BYTES)
    (folder / "d.png.json").mkdir()
    assert [taken_at(folder, f"{name}.png") for name in "abcd"] == [None] * 4
    assert taken_at(folder, "a.png", follow=True) == "2014-05-13T16:53:20+00:00"
