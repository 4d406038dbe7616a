"""Reads the metadata of an open image. Any of it may make Pillow raise, and no such error leaves this module."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from phsearch.adapters.images.metadata.exif import read_ifds
from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.iptc import read_iptc
from phsearch.adapters.images.metadata.values import parse_date
from phsearch.adapters.images.metadata.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image, ImageFile

    from phsearch.domain.file_type import ImageFormat

_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_XMP_TAG = 700


def read_image(im: ImageFile.ImageFile, image_format: ImageFormat) -> tuple[Facts, int | None]:
    """Return the facts of an open image and its EXIF orientation, None where none is stated or it is upright already.

    Call this before the pixels are decoded, which closes the file.
    """
    facts = Facts()
    orientation: int | None = None
    with contextlib.suppress(Exception):
        facts, orientation = read_exif_block(im.getexif())
    # Most photos have EXIF alone.
    readers: dict[str, Callable[[ImageFile.ImageFile], Facts]] = {
        "xmp": _embedded_xmp,
        "XML:com.adobe.xmp": _embedded_xmp,
        "photoshop": read_iptc,
        "compression": read_iptc,  # every TIFF has one
        "Creation Time": _png_text,
    }
    for key in readers.keys() & im.info.keys():
        with contextlib.suppress(Exception):
            facts = facts.or_else(readers[key](im))
    # The decoders of these formats rotate, whatever a leftover tag says. (Not a JPEG inside JPEG XL.)
    upright = image_format in {"TIFF", "HEIF"} or (image_format == "JXL" and not getattr(im, "jpeg", False))
    return facts, None if upright else orientation


def read_exif_block(tags: Image.Exif) -> tuple[Facts, int | None]:
    """Return the facts and the orientation of the main, Exif and GPS directory, and of XMP that is a tag of them.

    A damaged directory does not affect the others.
    """
    exif_ifd: dict[int, object] = {}
    gps_ifd: dict[int, object] = {}
    with contextlib.suppress(Exception):
        exif_ifd = dict(tags.get_ifd(_EXIF_IFD))
    with contextlib.suppress(Exception):
        gps_ifd = dict(tags.get_ifd(_GPS_IFD))
    value = tags.get(_ORIENTATION)
    orientation = value if isinstance(value, int) and value in range(1, 9) else None
    facts = read_ifds(dict(tags), exif_ifd, gps_ifd)
    document = tags.get(_XMP_TAG)
    return facts.or_else(read_xmp(document)) if isinstance(document, bytes) else facts, orientation


def _embedded_xmp(im: ImageFile.ImageFile) -> Facts:
    document = im.info.get("xmp") or im.info.get("XML:com.adobe.xmp")
    return read_xmp(document) if document else Facts()


def _png_text(im: ImageFile.ImageFile) -> Facts:
    date = parse_date(im.info.get("Creation Time"))
    return Facts(dates={"png": date} if date else {})
