"""`type:`: names of formats as people know them, and what photos of that format say they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.domain.language.objections import closest, shown, wrong
from phsearch.domain.language.terms import Format

if TYPE_CHECKING:
    from phsearch.domain.language.terms import Place

_MAKERS = (
    "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f"  # suffixes
)
RAW = frozenset(name.upper() for name in _MAKERS.split()) | {"RAW"}
"""What a camera's RAW photo may say it is: its suffix, or just RAW."""

_HEIF = frozenset({"HEIC", "HEIF"})  # the same file may be called either
FORMATS: dict[str, frozenset[str]] = {
    **{name.lower(): frozenset({name}) for name in sorted(RAW)},
    "raw": RAW,
    "jpg": frozenset({"JPEG"}),
    "jpeg": frozenset({"JPEG"}),
    "heic": _HEIF,
    "heif": _HEIF,
    "png": frozenset({"PNG"}),
    "webp": frozenset({"WEBP"}),
    "avif": frozenset({"AVIF"}),
    "jxl": frozenset({"JXL"}),
    "jp2": frozenset({"JP2"}),
    "tif": frozenset({"TIFF"}),
    "tiff": frozenset({"TIFF"}),
    "gif": frozenset({"GIF"}),
    "bmp": frozenset({"BMP"}),
}
"""What may be asked for -> the values of `PhotoInfo.format` that are meant."""

_KNOWN = "there are raw, jpeg, heic, png, webp, avif, jxl, tiff, gif, bmp, jp2, and suffixes of RAW files, such as nef"


def photo_format(text: str, place: Place) -> Format:
    """Read the name of a format; it may be written like a suffix, ".nef". Raises QueryError, naming the nearest."""
    name = text.strip().removeprefix("*").removeprefix(".").lower()
    if name in FORMATS:
        return Format(name, FORMATS[name])
    meant = closest(name, FORMATS)
    hint = f"did you mean type:{meant}?" if meant else _KNOWN
    raise wrong(place, f'"{shown(text)}" is no type of photo', hint)
