"""Queries that are kept under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.domain.albums import Album

if TYPE_CHECKING:
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.search.albums import Albums


class AlbumMethods:
    """`albums.list`, `albums.save`, `albums.remove`."""

    def __init__(self, albums: Albums) -> None:
        self._albums = albums

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"albums.list": self._list, "albums.save": self._save, "albums.remove": self._remove}

    async def _list(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"albums": self._albums.list_albums()}

    async def _save(self, params: dict[str, Any]) -> dict[str, Any]:
        band = params["min_band"] or ""
        album = Album(params["name"], params["query"], params["limit"], band, params["folder"])
        await self._albums.save_album(album)
        return {"album": next(each for each in self._albums.list_albums() if each["name"] == album.name)}

    async def _remove(self, params: dict[str, Any]) -> dict[str, Any]:
        await self._albums.remove_album(params["name"])
        return {"removed": params["name"]}
