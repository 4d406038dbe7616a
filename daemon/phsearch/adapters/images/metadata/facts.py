"""The facts of a photo that its metadata may state, and how facts of several places become one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, get_args

from phsearch.domain.types import DateSource, PhotoInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.adapters.images.geometry import Dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one or several places state; None for a value that is missing or not plausible.

    `dates` has the date of each place as ISO 8601. Both of `lat` and `lon` are known, or none.
    """

    dates: Mapping[DateSource, str] = field(default_factory=dict)
    camera: str | None = None
    lens: str | None = None
    lat: float | None = None
    lon: float | None = None

    def or_else(self, other: Facts) -> Facts:
        """Return these facts, with those of `other` where none is known."""
        place = self if self.lat is not None else other
        return Facts(
            dates={**other.dates, **self.dates},
            camera=self.camera or other.camera,
            lens=self.lens or other.lens,
            lat=place.lat,
            lon=place.lon,
        )

    def photo_info(self, size: Dimensions, format_name: str) -> PhotoInfo:
        """Return what is known of a photo, with the most trusted date."""
        source = next((source for source in get_args(DateSource) if source in self.dates), None)
        return PhotoInfo(
            width=size[0],
            height=size[1],
            format=format_name,
            taken_at=None if source is None else self.dates[source],
            camera=self.camera,
            lens=self.lens,
            lat=self.lat,
            lon=self.lon,
            date_source=source,
        )

    def complete_info(self, info: PhotoInfo) -> PhotoInfo:
        """Return `info`, with these facts where it has none."""
        known = Facts(camera=info.camera, lens=info.lens, lat=info.lat, lon=info.lon)
        merged = known.or_else(self).photo_info((info.width, info.height), info.format)
        if info.taken_at is None:
            return merged
        return replace(merged, taken_at=info.taken_at, date_source=info.date_source)
