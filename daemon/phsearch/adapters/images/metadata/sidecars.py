"""Facts from files beside a photo: .xmp of RAW developers and photo managers, .json of Google Takeout."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.values import parse_number, parse_position
from phsearch.adapters.images.metadata.xmp import MAX_BYTES, read_xmp
from phsearch.domain.edited_names import EDITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.domain.types import DateSource

MAX_SIDECAR_BYTES = MAX_BYTES
_TAKEOUT_NAME = 46
"""Takeout cuts the names of its .json files after so many characters."""
_NUMBERED = re.compile(r"(.+)(\(\d+\))(\.[^.]+)")
_EDITED = re.compile(rf"-(?:{'|'.join(EDITED)})(?=\.[^.]+$)", re.IGNORECASE)


def sidecar_paths(path: str) -> Iterator[str]:
    """Return where a sidecar of the photo at `path` may be, the likeliest first."""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    original = _EDITED.sub("", name)
    numbered = _NUMBERED.fullmatch(original)
    title, number = (f"{numbered[1]}{numbered[3]}", numbered[2]) if numbered else (original, "")
    names = (
        *(f"{name}.xmp", f"{stem}.xmp", f"{name}.XMP", f"{stem}.XMP"),
        f"{title[:_TAKEOUT_NAME]}{number}.json",
        f"{f'{title}.supplemental-metadata'[:_TAKEOUT_NAME]}{number}.json",
    )
    return (f"{folder}/{each}" for each in dict.fromkeys(names))


def read_sidecar(path: str, content: bytes) -> Facts:
    """Return the facts in a sidecar, none where it is damaged or something else."""
    if path.endswith(".json"):
        try:
            return _takeout_facts(json.loads(content))
        except (ValueError, RecursionError):
            return Facts()
    facts = read_xmp(content)
    # The most trusted of its dates comes first.
    dates: dict[DateSource, str] = {"sidecar": next(iter(facts.dates.values()))} if facts.dates else {}
    return replace(facts, dates=dates)


def _takeout_facts(found: object) -> Facts:
    dates: dict[DateSource, str] = {}
    position = None
    match found:
        case {"photoTakenTime": {"timestamp": text}} if seconds := parse_number(text):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                dates["sidecar"] = datetime.fromtimestamp(int(seconds), UTC).isoformat()
    match found:
        case {"geoData": {"latitude": north, "longitude": east}}:
            position = parse_position(north, None, east, None)
    match found:
        case {"geoDataExif": {"latitude": north, "longitude": east}} if position is None:
            position = parse_position(north, None, east, None)
    lat, lon = position or (None, None)
    return Facts(dates=dates, lat=lat, lon=lon)
