"""Facts from IPTC, which press agencies and older programs write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import IptcImagePlugin

from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.values import clean_text, parse_date

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import ImageFile

_CREATED = ((2, 55), (2, 60)), ((2, 62), (2, 63))
"""The date and the time at which the object was created, and digitized."""


def read_iptc(im: ImageFile.ImageFile) -> Facts:
    """Return the facts of an open JPEG or TIFF. Raises whatever damaged IPTC makes Pillow raise."""
    values: Mapping[tuple[int, int], object] = IptcImagePlugin.getiptcinfo(im) or {}
    for day, time in _CREATED:
        if date := parse_date(f"{_text(values.get(day))} {_text(values.get(time))}".strip()):
            return Facts(dates={"iptc": date})
    return Facts()


def _text(value: object) -> str:
    return clean_text(value[0] if isinstance(value, list) and value else value) or ""
