"""A damaged photo is told from one that is whole and cannot be decoded here, by what the real decoder says."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.indexing.failure_kind import failure_kind
from phsearch.domain.types import Preprocess
from phsearch.errors import UnreadableImageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def picture(kind: str, **save: object) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((120, 80), 90).convert("RGB").save(file, kind, **save)
    return file.getvalue()


def overwritten(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[: middle - 400] + bytes(400) + b"\xff\xd9" * 100 + data[middle:]


def tiff_of(compression: int) -> bytes:
    """Return a whole TIFF whose pixels are compressed in a way that no decoder here knows."""
    entries = [(256, 8), (257, 8), (258, 8), (259, compression), (262, 1), (273, 200), (277, 1), (278, 8), (279, 64)]
    ifd = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + ifd + bytes(4)
    return head.ljust(200, b"\0") + bytes(64)


JPEG, PNG = picture("JPEG", quality=95), picture("PNG")
DAMAGED = {
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "cut.png": PNG[: len(PNG) // 2],
    "cut.webp": picture("WEBP", lossless=True)[:-4000],
    "checksum.png": overwritten(PNG),
    "zeros.jpg": bytes(5000),
    "empty.jpg": b"",
}
UNSUPPORTED = {
    "jpeg2000.tif": tiff_of(34712),
    "unknown.tif": tiff_of(60000),
    "photoshop.tif": b"8BPS" + bytes(300),
    "mystery.jpg": bytes(range(128, 256)) * 20,
}
OTHER = {"page.jpg": b"<!doctype html><html>", "film.jpg": b"\0\0\0\x18ftypmp42" + bytes(100), "large.png": PNG}


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        *((name, data, "damaged") for name, data in DAMAGED.items()),
        *((name, data, "unsupported") for name, data in UNSUPPORTED.items()),
        *((name, data, "other") for name, data in OTHER.items()),
    ],
    ids=[*DAMAGED, *UNSUPPORTED, *OTHER],
)
def test_the_reason_says_what_kind_of_failure_it_is(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    decoder = PillowDecoder(5_000 if name == "large.png" else 1_000_000)
    with pytest.raises(UnreadableImageError) as caught:
        decoder.decode(str(tmp_path / name), Preprocess(64, 64, "squash", "bicubic"))
    assert failure_kind(str(caught.value)) == kind, caught.value


@pytest.mark.parametrize(
    "reason", ["decoding took longer than 60 s", "its decoder crashed (SIGSEGV)", "cannot be read: Permission denied"]
)
def test_what_says_nothing_of_the_bytes_is_neither(reason: str) -> None:
    assert failure_kind(reason) == "other"
