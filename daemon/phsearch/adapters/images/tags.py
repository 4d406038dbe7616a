"""Pillow's view of EXIF, handed on as facts: the one place where odd metadata may raise, and it never gets out."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.adapters.images import exif
from phsearch.domain.types import PhotoInfo

if TYPE_CHECKING:
    from PIL import Image

    from phsearch.adapters.images.exif import Facts
    from phsearch.adapters.images.fit import Size
    from phsearch.adapters.images.sniff import Kind

_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825


@dataclass(frozen=True, slots=True)
class Tags:
    """The facts, and the orientation as told: None where the file tells none that exists."""

    facts: Facts
    orientation: int | None


def of_image(im: Image.Image, found: Kind) -> Tags:
    """Read the tags of an opened image; call it before the pixels are decoded, which closes the file."""
    try:
        tags = described(im.getexif())
    except Exception:  # noqa: BLE001 - metadata never fails a photo
        return Tags(exif.Facts(), None)
    # These are turned by their decoder, whatever a left-over tag says. (A JPEG carried inside JPEG XL is not.)
    turned = found in {"TIFF", "HEIF"} or (found == "JXL" and not getattr(im, "jpeg", False))
    return Tags(tags.facts, None) if turned else tags


def described(tags: Image.Exif) -> Tags:
    """Read main, Exif and GPS directory, each for itself: one that is damaged does not take the others along."""
    exif_ifd: dict[int, object] = {}
    gps_ifd: dict[int, object] = {}
    with contextlib.suppress(Exception):
        exif_ifd = dict(tags.get_ifd(_EXIF_IFD))
    with contextlib.suppress(Exception):
        gps_ifd = dict(tags.get_ifd(_GPS_IFD))
    value = tags.get(_ORIENTATION)
    orientation = value if isinstance(value, int) and value in range(1, 9) else None
    return Tags(exif.read(dict(tags), exif_ifd, gps_ifd), orientation)


def info(size: Size, name: str, facts: Facts) -> PhotoInfo:
    """Join what is known of a photo."""
    return PhotoInfo(
        width=size[0],
        height=size[1],
        format=name,
        taken_at=facts.taken_at,
        camera=facts.camera,
        lens=facts.lens,
        lat=facts.lat,
        lon=facts.lon,
    )
