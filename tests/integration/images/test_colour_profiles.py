"""A photo is seen in the colours that its profile says, as viewers show it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Preprocess

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the decoder's own filter is undone by pytest

SQUASH = Preprocess(64, 64, "squash", "bicubic")
DECODER = PillowDecoder(1_000_000)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = SRGB.replace(b"rXYZ", b"****", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"****", b"gXYZ", 1)
"""A profile by which red means green."""
GREY = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def mean_colour(image_format: str, mode: str, colour: str, profile: bytes) -> list[int]:
    data = io.BytesIO()
    options = {"lossless": True} if image_format == "WEBP" else {"quality": 95} if image_format != "PNG" else {}
    im = Image.new("RGB", (80, 60), colour).convert(mode)
    im.save(data, image_format, icc_profile=profile, **options)
    pixels = DECODER.decode_bytes(data.getvalue(), "/p/a", SQUASH).pixels
    return [int(value) for value in pixels.reshape(-1, 3).mean(axis=0).round()]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
def test_the_profile_of_a_photo_is_applied_in_every_format(image_format: str) -> None:
    red, green, blue = mean_colour(image_format, "RGB", "red", SWAPPED)
    assert (red < 12, green > 240, blue < 12) == (True, True, True)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_profile_holds_for_transparent_and_indexed_pictures(mode: str) -> None:
    assert mean_colour("PNG", mode, "red", SWAPPED)[1] > 240


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", SRGB),
        ("RGB", b"no profile"),
        ("RGB", SWAPPED[:200]),
        ("RGB", GREY),
        ("L", SWAPPED),
        ("RGB", bytes(3 << 20)),
    ],
    ids=["sRGB", "text", "cut off", "of another space", "of a grey photo", "huge"],
)
def test_a_profile_that_says_nothing_or_does_not_fit_changes_nothing(mode: str, profile: bytes) -> None:
    with_profile, without = mean_colour("TIFF", mode, "#c86432", profile), mean_colour("TIFF", mode, "#c86432", b"")
    assert np.abs(np.subtract(with_profile, without)).max() <= 1


def test_a_picture_in_inks_is_converted_by_its_own_profile_or_else_plainly() -> None:
    assert mean_colour("JPEG", "CMYK", "red", SWAPPED) == mean_colour("JPEG", "CMYK", "red", b"")
