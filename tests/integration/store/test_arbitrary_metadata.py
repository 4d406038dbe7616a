"""Whatever the metadata of a photo say, the decoder makes a row of it that the index holds and gives back."""

from __future__ import annotations

import io
import random
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Fingerprint, Photo, Preprocess
from support.store.kit import IDENTITY, content, opened, vector

if TYPE_CHECKING:
    from pathlib import Path

PHOTOS, BATCH = 10_000, 1_000
TEXTS = (
    b"", b"\0", b"Canon\0", b"\xff\xfe\x00\xd8", b"a\x1b[31mb", "e\u0301\u202e\U0001f600".encode(), b"\xed\xa0\x80",
    b"NaN", b"inf",
    b"2023:06:01 12:30:05", b"9999:12:31 23:59:60", b"0000:00:00 00:00:00", b"-1:01:01", b"2014:06:01 25:61:61",
    b"12345678901234567890", b"+99:99", b"x" * 5_000,
)  # fmt: skip
TAGS = (
    (0x010F, 0x0110, 0x0112, 0x0132, 0x02BC, 0x8769, 0x8825),
    (0x9003, 0x9004, 0x9010, 0x9011, 0x9290, 0x9291, 0xA433, 0xA434),
    (0, 1, 2, 3, 4, 5, 7, 29),
)
"""Of IFD0, the Exif IFD and the GPS IFD."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 11: 4, 12: 8}
NUMBERS = (0, 1, 2, 6, 59, 60, 90, 91, 180, 255, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def directory(chance: random.Random, tags: tuple[int, ...], at: int) -> bytes:
    """Return a TIFF directory that is to stand at `at`, with arbitrary values of arbitrary types."""
    entries, values = b"", b""
    chosen = sorted(chance.sample(tags, chance.randrange(len(tags) + 1)))
    start = at + 2 + 12 * len(chosen) + 4
    for tag in chosen:
        kind = 2 if chance.random() < 0.5 else chance.choice(list(SIZES))
        if kind == 2:
            value = chance.choice(TEXTS)
            count = len(value)
        else:
            count = chance.choice((0, 1, 2, 3, 4))
            value = b"".join(chance.choice(NUMBERS).to_bytes(8, "little") for _ in range(count))[: count * SIZES[kind]]
            if kind in {11, 12} and chance.random() < 0.5:
                value = (b"\0\0\xc0\x7f" if kind == 11 else b"\0\0\0\0\0\0\xf8\x7f") * count
        entries += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little")
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += (start + len(values)).to_bytes(4, "little")
            values += value
    return len(chosen).to_bytes(2, "little") + entries + b"\0" * 4 + values


def exif(chance: random.Random) -> bytes:
    """Return EXIF whose main directory may lead to two others."""
    blocks, at = [], 8
    for tags in TAGS:
        blocks.append(bytearray(directory(chance, tags, at)))
        at += len(blocks[-1])
    places = [8]
    for before in blocks:
        places.append(places[-1] + len(before))
    main = blocks[0]
    for entry in range(2, 2 + 12 * int.from_bytes(main[:2], "little"), 12):
        tag = int.from_bytes(main[entry : entry + 2], "little")
        if tag in {0x8769, 0x8825}:
            place = places[1 if tag == 0x8769 else 2]
            main[entry + 2 : entry + 12] = b"\4\0\1\0\0\0" + place.to_bytes(4, "little")
    return b"II*\0\x08\0\0\0" + b"".join(blocks)


def jpeg(chance: random.Random, number: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8 + number % 5, 8), (number % 256, number // 256 % 256, 9)).save(data, "JPEG")
    segments = [b"\xff\xe1", b"Exif\0\0" + exif(chance)]
    if chance.random() < 0.3:
        date = chance.choice(TEXTS)[:500]
        segments += [b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0" + XMP.replace(b"DATE", date)]
    if chance.random() < 0.3:
        iptc = b"\x1c\2\x37" + len(text := chance.choice(TEXTS)[:300]).to_bytes(2, "big") + text
        block = b"8BIM\4\4\0\0" + len(iptc).to_bytes(4, "big") + iptc
        segments += [b"\xff\xed", b"Photoshop 3.0\0" + block]
    made = b"".join(
        marker + (len(body) + 2).to_bytes(2, "big") + body for marker, body in list(pairwise(segments))[::2]
    )
    return data.getvalue()[:2] + made + data.getvalue()[2:]


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="DATE" exif:GPSLongitude="2,2E"'
    b' exif:DateTimeOriginal="DATE"/></rdf:RDF></x:xmpmeta>'
)


def test_ten_thousand_photos_of_arbitrary_metadata_are_all_indexed_and_come_back_as_they_were(tmp_path: Path) -> None:
    chance = random.Random(20)
    decoder = PillowDecoder(1_000_000)
    preprocess = Preprocess(8, 8, "squash", "bilinear")
    store = opened(tmp_path, IDENTITY)
    photos: dict[str, Photo] = {}
    for first in range(0, PHOTOS, BATCH):
        batch = []
        for number in range(first, first + BATCH):
            path, data = f"/r/{number}.jpg", jpeg(chance, number)
            info = decoder.decode_bytes(data, path, preprocess).info
            fingerprint = Fingerprint(len(data), chance.randrange(-(2**63), 2**63))
            batch.append(Photo(path, "/r", fingerprint, zlib.crc32(data).to_bytes(16), info, 1.0))
        assert store.apply([(photo, vector(1)) for photo in batch]) == []
        photos |= {photo.path: photo for photo in batch}
    store.close()
    assert {path: photo for path, (photo, _) in content(opened(tmp_path)).items()} == photos
    seen = [photo.info for photo in photos.values()]
    assert {"exif", "exif-digitized", "exif-modified", "gps", "xmp", "iptc", None} <= {
        info.date_source for info in seen
    }
    assert sum(info.lat is not None for info in seen) > 0
