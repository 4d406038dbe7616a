"""Pictures of photos."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phsearch.service.api import Calls
    from phsearch.service.thumbnails import Thumbnails


class Picturing:
    """`library.thumbnail`."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"library.thumbnail": self._thumbnail}

    async def _thumbnail(self, params: dict[str, Any]) -> dict[str, Any]:
        made = await self._thumbnails.of(params["path"], params["width"], params["height"], params["format"])
        about = {"path": params["path"], "width": made.width, "height": made.height, "format": params["format"]}
        return about | {"data": base64.b64encode(made.data).decode()}
