"""Queries that are kept under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.domain.albums import Album
from phsearch.wire.results.albums import AlbumList, RemovedAlbum, SavedAlbum

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

    async def _list(self) -> AlbumList:
        return AlbumList(albums=self._albums.list_albums())

    async def _save(self, *, name: str, query: str, limit: int, min_band: str | None, folder: bool) -> SavedAlbum:
        album = Album(name=name, query=query, limit=limit, band=min_band or "", folder=folder)
        await self._albums.save_album(album)
        return SavedAlbum(album=next(each for each in self._albums.list_albums() if each.name == name))

    async def _remove(self, *, name: str) -> RemovedAlbum:
        await self._albums.remove_album(name)
        return RemovedAlbum(removed=name)
