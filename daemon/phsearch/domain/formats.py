"""THE table of photo formats: what people call them, and the suffixes of their files.

The rules of which files are photos, the filter `type:`, and the manual are made from it. How a format is recognised by
its bytes and decoded is in file_type and adapters/images/codecs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFormat:
    """One format. `names` are the values of `PhotoInfo.format` that it may have."""

    title: str
    names: tuple[str, ...]
    words: tuple[str, ...]
    """What people write after `type:`; the first is shown in hints."""
    suffixes: tuple[str, ...]


# fmt: off
RAW_SUFFIXES = (
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw",
    "nef", "nrw", "orf", "pef", "ptx", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
)
# fmt: on
"""A RAW photo has its suffix as its format, e.g. NEF, or just RAW."""

FORMATS = (
    PhotoFormat(title="JPEG", names=("JPEG",), words=("jpeg", "jpg"), suffixes=("jpg", "jpeg", "jpe", "jfif")),
    PhotoFormat(
        title="HEIC/HEIF", names=("HEIC", "HEIF"), words=("heic", "heif"), suffixes=("heic", "heif", "hif", "heics")
    ),
    PhotoFormat(title="PNG", names=("PNG",), words=("png",), suffixes=("png", "apng")),
    PhotoFormat(title="WebP", names=("WEBP",), words=("webp",), suffixes=("webp",)),
    PhotoFormat(title="AVIF", names=("AVIF",), words=("avif",), suffixes=("avif", "avifs")),
    PhotoFormat(title="JPEG XL", names=("JXL",), words=("jxl",), suffixes=("jxl",)),
    PhotoFormat(title="TIFF", names=("TIFF",), words=("tiff", "tif"), suffixes=("tif", "tiff")),
    PhotoFormat(title="GIF", names=("GIF",), words=("gif",), suffixes=("gif",)),
    PhotoFormat(title="BMP", names=("BMP",), words=("bmp",), suffixes=("bmp", "dib")),
    PhotoFormat(title="JPEG 2000", names=("JP2",), words=("jp2",), suffixes=("jp2", "j2k", "jpx")),
)
"""All but RAW, in the order in which they are listed."""

PHOTO_SUFFIXES = frozenset(
    f".{suffix}" for suffix in (*RAW_SUFFIXES, *(suffix for kind in FORMATS for suffix in kind.suffixes))
)
