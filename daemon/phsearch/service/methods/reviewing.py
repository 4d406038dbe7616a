"""Duplicates, for review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.service.methods.fitting import fitting

if TYPE_CHECKING:
    from phsearch.domain.types import Photo
    from phsearch.service.api import Calls
    from phsearch.service.dupes import Dupes


class Reviewing:
    """`library.dupes`."""

    def __init__(self, dupes: Dupes) -> None:
        self._dupes = dupes

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"library.dupes": self._find}

    async def _find(self, params: dict[str, Any]) -> dict[str, Any]:
        groups = await self._dupes.find(params["path"])
        if params["kind"] != "all":
            groups = [group for group in groups if group.exact == (params["kind"] == "exact")]
        page = groups[params["offset"] : params["offset"] + params["limit"]]
        rows = ({"kind": "exact" if each.exact else "near", "photos": [*map(_photo, each.photos)]} for each in page)
        return {"groups": fitting(rows), "total": len(groups)}


def _photo(photo: Photo) -> dict[str, Any]:
    info = photo.info
    size = {"size": photo.fingerprint.size, "width": info.width, "height": info.height}
    return {"path": photo.path, **size, "format": info.format, "taken_at": info.taken_at}
