"""Which files the index worker reads, whatever else keeps it from others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.images import PillowDecoder
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
