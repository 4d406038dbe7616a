"""Camera RAW files with LibRaw: the JPEG preview that the camera made, or else the sensor data at half size.

The preview is what the owner saw on the camera, and costs a tenth. Only JPEG previews are used, since LibRaw reads past
the end of its bitmaps of grey files. The orientation may be stated twice, by the RAW and by its preview, and the
preview may be upright already. `preview_orientation` decides, so that a photo is rotated exactly once.
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

    from phsearch.adapters.images.geometry import Dimensions

_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's flip -> EXIF orientation."""
_SOFTWARE = 0x0131
_TIFF_VARIANTS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
"""TIFF with another magic number, of Panasonic and Olympus."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What LibRaw knows before any pixel is unpacked. `size` is that of the sensor, before rotation."""

    size: Dimensions
    orientation: int
    timestamp: datetime | None
    lens: str | None


class RawFile:
    """An open RAW file. It is a context manager, since LibRaw keeps a copy of the file."""

    def __init__(self, data: bytes) -> None:
        """Identify `data`. Raises LibRawError if it is not a RAW file."""
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

    def jpeg_preview(self) -> bytes | None:
        """Return the camera's own JPEG, or None if there is none that can be used."""
        try:
            thumb = self._raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        return bytes(thumb.data) if thumb.format is rawpy.ThumbFormat.JPEG else None

    def develop_half(self) -> Image.Image:
        """Return the sensor data developed at half size, not rotated."""
        return Image.fromarray(self._raw.postprocess(half_size=True, use_camera_wb=True, user_flip=0))


def preview_orientation(header: RawHeader, preview: Dimensions, stated: int | None) -> int:
    """Return the EXIF orientation to apply to a preview of size `preview`, whose own EXIF has `stated` or none.

    For a quarter turn the shape decides: a preview with the sensor's shape has not been rotated yet.
    """
    if geometry.swaps_sides(header.orientation):
        has_sensor_shape = (preview[0] >= preview[1]) == (header.size[0] >= header.size[1])
        return header.orientation if has_sensor_shape else 1
    return header.orientation if stated is None else stated


def is_added_by_libraw(exif: Image.Exif) -> bool:
    """Whether LibRaw wrote this EXIF: it adds one, with the RAW's orientation, to previews that have none."""
    software = exif.get(_SOFTWARE)
    return isinstance(software, str) and software.startswith("dcraw")


def read_tiff_exif(data: bytes) -> Image.Exif:
    """Return the EXIF of a RAW file whose format is based on TIFF, empty for other formats."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        if data.startswith(_TIFF_VARIANTS):
            order = data[:2]
            data = order + (b"*\0" if order == b"II" else b"\0*") + data[4:]
        if data[:4] in {b"II*\0", b"MM\0*"}:
            exif.load_from_fp(io.BytesIO(data))
    return exif
