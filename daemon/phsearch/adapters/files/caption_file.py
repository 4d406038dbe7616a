"""Reads photos with captions from a folder: `captions.tsv`, and the photos beside it or in `images`."""

from __future__ import annotations

from pathlib import Path

from phsearch.domain.calibration.captioned import FILE, CaptionedPhoto, parse_captions
from phsearch.errors import CannotCalibrateError, UnreadableImageError
from phsearch.safe_open import read_whole

_LARGEST = 64 << 20
_LINES = "each of its lines has the file name of a photo, a tab, the caption"


def read_captioned(folder: str) -> tuple[CaptionedPhoto, ...]:
    """Return the photos that have captions, by name; whether they exist is not looked at.

    Names that lead out of the folder are left out. Raise CannotCalibrateError where there are no captions.
    """
    try:
        _, data = read_whole(f"{folder}/{FILE}", limit=_LARGEST)
    except (OSError, UnreadableImageError) as error:
        reason = (error.strerror or "it cannot be read").lower() if isinstance(error, OSError) else str(error)
        raise CannotCalibrateError(f"{folder}/{FILE}: {reason}", _LINES) from None
    photos = Path(folder, "images")
    if not photos.is_dir():
        photos = Path(folder)
    said = parse_captions(data.decode("utf-8", "replace"))
    found = tuple(CaptionedPhoto(photos / name, captions) for name, captions in said.items() if _inside(name))
    if not found:
        raise CannotCalibrateError(f"{folder}/{FILE} has no captions", _LINES)
    return found


def _inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
