"""A picture that is all there is found, whatever is wrong with the rest of its file; one that is cut off is not."""

from __future__ import annotations

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Preprocess
from phsearch.errors import TruncatedImageError, UnreadableImageError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the decoder's own filter is undone by pytest

SQUASH = Preprocess(64, 64, "squash", "bicubic")
DECODER = PillowDecoder(250_000_000)
PNG_HEAD = 8 + 25
"""The signature and the first chunk."""
HEX_TEXT = random.Random(1).randbytes(3 << 20).hex().encode()


def picture() -> Image.Image:
    """Return noise, every block of which counts."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8))


def encoded(image_format: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture().save(data, image_format, **options)
    return data.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


JPEG, PROGRESSIVE, PNG = encoded("JPEG"), encoded("JPEG", progressive=True), encoded("PNG")
EXIF = Image.Exif()
EXIF[0x010F] = "Canon"
WEBP = encoded("WEBP", lossless=True, exif=EXIF.tobytes())
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def inserted(*chunks: bytes) -> bytes:
    return PNG[:PNG_HEAD] + b"".join(chunks) + PNG[PNG_HEAD:]


WHOLE = {
    "compressed text of 6 MB": inserted(chunk(b"zTXt", b"workflow\0\0" + zlib.compress(HEX_TEXT))),
    "XMP of 6 MB": inserted(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(HEX_TEXT))),
    "text of 6 MB": inserted(chunk(b"tEXt", b"prompt\0" + HEX_TEXT)),
    "text of 72 MB": inserted(*(chunk(b"tEXt", b"p%d\0" % number + HEX_TEXT) for number in range(12))),
    "profile of 2 MB": inserted(chunk(b"iCCP", b"s\0\0" + zlib.compress(SRGB + HEX_TEXT[: 2 << 20]))),
    "profile that is no zlib": inserted(chunk(b"iCCP", b"s\0\0not zlib")),
    "text after the picture": PNG[:-12] + chunk(b"zTXt", b"w\0\0" + zlib.compress(HEX_TEXT)) + PNG[-12:],
    "text with a wrong checksum": inserted(chunk(b"tEXt", b"a\0b")[:-4] + b"\0\0\0\0"),
    "EXIF with a wrong checksum": inserted(chunk(b"eXIf", EXIF.tobytes())[:-4] + b"\0\0\0\0"),
    "PNG without an end": PNG[:-12],
    "PNG after a line end": b"\r\n" + PNG,
    "JPEG without an end marker": JPEG[:-2],
    "JPEG with half an end marker": JPEG[:-1],
    "progressive JPEG without an end marker": PROGRESSIVE[:-2],
    "JPEG after a line end": b"\r\n" + JPEG,
    "JPEG after zeros": b"\0" * 16 + JPEG,
    "JPEG with bytes between segments": JPEG[:2] + JPEG[2:20] + b"junk" + JPEG[20:],
    "JPEG with a comment and no end": JPEG[:2] + b"\xff\xfe\0\6abcd" + JPEG[2:-2],
    "JPEG with a broken MPF index": JPEG[:2] + b"\xff\xe2\0\x20MPF\0II*\0\x08\0\0\0\xff\xff" + b"\xfe" * 14 + JPEG[2:],
    "JPEG with bytes after it": JPEG + b"\0\0\x10\0mdat" + b"v" * 4088,
    "WebP whose EXIF is cut off": WEBP[:-9],
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_picture_is_found_whatever_else_is_damaged(data: bytes) -> None:
    pixels = DECODER.decode_bytes(data, "/p/a.jpg", SQUASH).pixels
    sound = {b"\x89P": PNG, b"RI": WEBP}.get(data.lstrip(b"\r\n")[:2], JPEG)
    expected = DECODER.decode_bytes(sound, "/p/a.jpg", SQUASH).pixels
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_what_is_sound_beside_a_damaged_part_is_still_read() -> None:
    huge, date = (
        chunk(b"zTXt", b"w\0\0" + zlib.compress(HEX_TEXT)),
        chunk(b"tEXt", b"Creation Time\x002018:03:04 05:06:07"),
    )
    assert DECODER.decode_bytes(inserted(huge, date), "/p/a.png", SQUASH).info.taken_at == "2018-03-04T05:06:07"


@pytest.mark.parametrize("cut", [64, 400, 2000])
@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, WEBP[: WEBP.index(b"EXIF")]], ids=["JPEG", "progressive", "WebP"])
def test_a_picture_that_is_cut_off_is_not_taken_for_whole(data: bytes, cut: int) -> None:
    with pytest.raises(TruncatedImageError):
        DECODER.decode_bytes(data[:-cut], "/p/a.jpg", SQUASH)


def test_no_damage_to_a_photo_raises_anything_but_its_reason() -> None:
    chance = random.Random(5)
    reasons: set[str] = set()
    for data in (JPEG, PROGRESSIVE, PNG, WEBP):
        for _ in range(100):
            damaged = bytearray(data)
            for _ in range(chance.choice((1, 3, 20))):
                damaged[chance.randrange(min(len(data), 800))] = chance.randrange(256)
            try:
                DECODER.decode_bytes(
                    bytes(damaged[: chance.choice((len(data), chance.randrange(len(data))))]), "/a", SQUASH
                )
            except UnreadableImageError as error:
                reasons.add(str(error))
    assert all(reasons), reasons
