"""Keeps albums, and their folders up to date: a while after the index has changed, and never without cause."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol, get_args

from phsearch.domain.albums import Album, check_name
from phsearch.domain.relevance import Band
from phsearch.errors import AlbumError, ModelUnavailableError, NotReadyError, PhsearchError
from phsearch.service.searcher import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.service.events import Events, Subscription
    from phsearch.service.searcher import Searcher

log = logging.getLogger("phsearch.albums")

_QUIET_SECONDS, _LONGEST_SECONDS = 2.0, 10.0
"""Nothing happened for so long, or so long ago something did: then folders are brought up to date."""
_RETRY_SECONDS = 5.0
_CHANGES = frozenset({"indexed", "reused", "moved", "removed", "root", "dropped"})
_MOST = 200


class Files(Protocol):
    """Where albums outlive the daemon."""

    def load(self) -> list[Album]:
        """Give what is on record."""

    def save(self, albums: Iterable[Album]) -> None:
        """Put these in its place. Raises StoreError."""

    def place(self, name: str) -> str:
        """Give the folder of an album."""

    def link(self, name: str, paths: Sequence[str]) -> None:
        """Make an album's folder hold links to just these photos. Raises StoreError."""

    def forget(self, name: str) -> None:
        """Remove an album's links. Raises StoreError."""


class Albums:
    """All albums, by name."""

    def __init__(self, files: Files, searcher: Searcher, events: Events) -> None:
        self._files = files
        self._searcher = searcher
        self._events = events
        self._albums = {album.name: album for album in files.load()}
        self._problems: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._turn = asyncio.Lock()

    def listed(self) -> list[dict[str, Any]]:
        """Describe all albums; `photos` and `problem` are of the last time its folder was brought up to date."""
        return [
            {
                "name": album.name,
                "query": album.query,
                "limit": album.limit,
                "min_band": album.band or None,
                "folder": self._files.place(album.name) if album.folder else None,
                "photos": self._counts.get(album.name),
                "problem": self._problems.get(album.name),
            }
            for album in sorted(self._albums.values(), key=lambda album: album.name)
        ]

    async def save(self, album: Album) -> None:
        """Keep an album, instead of one of the same name.

        Raises AlbumError, StoreError, or what is wrong with its query.
        """
        check_name(album.name)
        if album.name not in self._albums and len(self._albums) >= _MOST:
            raise AlbumError(f"there are {_MOST} albums already", "remove one first")
        async with self._turn:
            paths = await self._paths(album)
            albums = self._albums | {album.name: album}
            await asyncio.to_thread(self._files.save, albums.values())
            former = self._albums.get(album.name)
            self._albums = albums
            if album.folder:
                await self._link(album, paths)
            elif former is not None and former.folder:
                await asyncio.to_thread(self._files.forget, album.name)

    async def remove(self, name: str) -> None:
        """Forget an album and its links; no photo is touched. Raises AlbumError, StoreError."""
        if name not in self._albums:
            known = ", ".join(sorted(self._albums)) or "none"
            raise AlbumError(f'there is no album "{name}"', f"there are: {known}")
        async with self._turn:
            albums = {key: album for key, album in self._albums.items() if key != name}
            await asyncio.to_thread(self._files.save, albums.values())
            gone, self._albums = self._albums[name], albums
            self._problems.pop(name, None)
            self._counts.pop(name, None)
            if gone.folder:
                await asyncio.to_thread(self._files.forget, name)

    async def run(self) -> None:
        """Keep folders up to date until cancelled."""
        with self._events.subscribe() as subscription:
            while True:
                ready = await self.refresh()
                await (_settled(subscription) if ready else asyncio.sleep(_RETRY_SECONDS))

    async def refresh(self) -> bool:
        """Bring every folder up to date; False where the model is not ready, so that it is worth trying again."""
        async with self._turn:
            for album in self._albums.values():
                if not album.folder:
                    continue
                try:
                    await self._link(album, await self._paths(album))
                except NotReadyError:
                    return False
                except ModelUnavailableError as problem:
                    self._note(album, problem)
                    return False  # nothing in the library tells when there is a model again
                except PhsearchError as problem:
                    self._note(album, problem)
        return True

    async def _paths(self, album: Album) -> list[str]:
        band = next((band for band in get_args(Band) if band == album.band), None)
        found = await self._searcher.search(Ask(album.query, album.limit, min_band=band))
        return [hit.photo.path for hit in found.hits]

    async def _link(self, album: Album, paths: list[str]) -> None:
        await asyncio.to_thread(self._files.link, album.name, paths)
        self._counts[album.name] = len(paths)
        self._problems.pop(album.name, None)

    def _note(self, album: Album, problem: PhsearchError) -> None:
        if self._problems.get(album.name) != problem.sentence():
            log.warning("the album %s keeps what it has: %s", album.name, problem.sentence())
        self._problems[album.name] = problem.sentence()


async def _settled(subscription: Subscription) -> None:
    """Wait for a change, and then until there is quiet."""
    while (await subscription.next())["type"] not in _CHANGES:
        pass
    loop = asyncio.get_running_loop()
    last = loop.time() + _LONGEST_SECONDS
    while loop.time() < last:
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                await subscription.next()
        except TimeoutError:
            return
