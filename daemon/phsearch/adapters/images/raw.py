"""Camera RAW by LibRaw: the JPEG preview the camera made, or else the sensor at half size.

The preview is what the owner saw on the camera and costs a tenth. Only JPEG previews are taken: LibRaw's bitmaps of
grey files are read past their end. Which way is up is told twice, by the RAW and perhaps by its preview, and the
preview may have been turned already: `orientation` decides, so that a photo is turned exactly once.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import rawpy
from PIL import Image

from phsearch.adapters.images import geometry

if TYPE_CHECKING:
    from datetime import datetime

    from phsearch.adapters.images.geometry import Size

# LibRaw's flip in EXIF's words.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}
_SOFTWARE = 0x0131
# TIFF in all but the magic number: Panasonic, Olympus.
_TIFF_DISGUISES = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR")


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What LibRaw tells before any pixel is unpacked. `size` is the sensor's, not turned."""

    size: Size
    orientation: int
    timestamp: datetime | None
    lens: str | None


class RawFile:
    """One opened RAW; a context manager, since LibRaw holds on to a copy of the file."""

    def __init__(self, data: bytes) -> None:
        """Identify `data`. Raises LibRawError when it is no RAW."""
        self._raw = rawpy.imread(io.BytesIO(data))
        sizes = self._raw.sizes
        other, lens = self._raw.other, self._raw.lens
        self.header = RawHeader(
            size=(sizes.width, sizes.height),
            orientation=_ORIENTATION.get(sizes.flip, 1),
            timestamp=other.timestamp if other and other.timestamp.year > 1970 else None,  # noqa: PLR2004 - time_t 0
            lens=lens.model or None if lens else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def preview(self) -> bytes | None:
        """Give the camera's own JPEG, or None where there is none to be used."""
        try:
            thumb = self._raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        return bytes(thumb.data) if thumb.format is rawpy.ThumbFormat.JPEG else None

    def half(self) -> Image.Image:
        """Develop the sensor at half size, not turned."""
        return Image.fromarray(self._raw.postprocess(half_size=True, use_camera_wb=True, user_flip=0))


def orientation(header: RawHeader, preview: Size, told: int | None) -> int:
    """Decide how to turn a preview of size `preview` whose own EXIF says `told` (None: nothing).

    For a quarter turn the shape settles it: a preview that lies as the sensor lies has not been turned yet.
    """
    if geometry.sideways(header.orientation):
        lies_like_sensor = (preview[0] >= preview[1]) == (header.size[0] >= header.size[1])
        return header.orientation if lies_like_sensor else 1
    return header.orientation if told is None else told


def is_made_up(exif: Image.Exif) -> bool:
    """Say whether this EXIF is LibRaw's own: it adds one to previews without, with the RAW's orientation in it."""
    software = exif.get(_SOFTWARE)
    return isinstance(software, str) and software.startswith("dcraw")


def exif_of(data: bytes) -> Image.Exif:
    """Read the EXIF of a RAW that is a TIFF at heart; empty for the others."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        if data.startswith(_TIFF_DISGUISES):
            order = data[:2]
            data = order + (b"*\0" if order == b"II" else b"\0*") + data[4:]
        if data[:4] in {b"II*\0", b"MM\0*"}:
            exif.load_from_fp(io.BytesIO(data))
    return exif
