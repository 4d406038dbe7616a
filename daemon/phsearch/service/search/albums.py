"""Stores albums and refreshes their folders, a short time after the index has changed and not otherwise.

A folder shows the hits of its query. If the search fails, the folder keeps its links, and the list of albums says why.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import TYPE_CHECKING, Protocol, get_args

from phsearch.domain.albums import Album, check_name
from phsearch.domain.search.relevance import Band
from phsearch.errors import AlbumError, ModelUnavailableError, NotReadyError, PhsearchError, StoreError
from phsearch.service.search.searcher import SearchRequest
from phsearch.wire.results.albums import Album as AlbumResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from phsearch.service.events import EventBus, Subscription
    from phsearch.service.search.searcher import Searcher

log = logging.getLogger("phsearch.albums")

_QUIET_SECONDS, _MAX_DELAY_SECONDS = 2.0, 10.0
"""Folders are refreshed when nothing has changed for so long, or so long after the first change."""
_RETRY_SECONDS = 5.0
_REST_FACTOR = 4
"""After a refresh comes a pause of so many times its duration: albums take at most a fifth of the time."""
_HOUR = 3600.0
_CHANGES = frozenset({"indexed", "reused", "moved", "removed", "failed", "root", "dropped"})
_MAX_ALBUMS = 200


class AlbumStorage(Protocol):
    """Keeps albums on disk."""

    def load_albums(self) -> list[Album]:
        """Return the stored albums."""

    def save_albums(self, albums: Iterable[Album]) -> None:
        """Replace the stored albums. Raises StoreError."""

    def folder_path(self, name: str) -> str:
        """Return the path of an album's folder."""

    def link_photos(self, name: str, paths: Sequence[str]) -> None:
        """Replace the links in an album's folder by links to these photos. Raises StoreError."""

    def forget_album(self, name: str) -> None:
        """Remove an album's links. Raises StoreError."""


class Albums:
    """All albums, by name."""

    def __init__(
        self,
        *,
        storage: AlbumStorage,
        searcher: Searcher,
        events: EventBus,
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        self._storage = storage
        self._searcher = searcher
        self._events = events
        self._today = today
        self._albums = {album.name: album for album in storage.load_albums()}
        self._problems: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._lock = asyncio.Lock()

    def list_albums(self) -> tuple[AlbumResult, ...]:
        """Return all albums by name; `photos` and `problem` are those of the last refresh of the folder."""
        return tuple(
            AlbumResult(
                name=album.name,
                query=album.query,
                limit=album.limit,
                min_band=album.band or None,
                folder=self._storage.folder_path(album.name) if album.folder else None,
                photos=self._counts.get(album.name),
                problem=self._problems.get(album.name),
            )
            for album in sorted(self._albums.values(), key=lambda album: album.name)
        )

    async def save_album(self, album: Album) -> None:
        """Store an album in place of one with the same name. If its folder cannot be made, `list_albums` says why.

        Raises AlbumError, StoreError, or the error of its query.
        """
        check_name(album.name)
        async with self._lock:
            if album.name not in self._albums and len(self._albums) >= _MAX_ALBUMS:
                raise AlbumError(f"there are {_MAX_ALBUMS} albums already", "remove one first")
            paths = await self._paths(album)
            former = self._albums.get(album.name)
            await self._replace(self._albums | {album.name: album}, album.name)
            if album.folder:
                await self._sync_links(album, paths)
            elif former is not None and former.folder:
                await asyncio.to_thread(self._storage.forget_album, album.name)

    async def remove_album(self, name: str) -> None:
        """Remove an album and its links; no photo is touched. Raises AlbumError, StoreError."""
        async with self._lock:
            former = self._albums.get(name)
            if former is None:
                known = ", ".join(sorted(self._albums)) or "none"
                raise AlbumError(f'there is no album "{name}"', f"there are: {known}")
            await self._replace({key: album for key, album in self._albums.items() if key != name}, name)
            if former.folder:
                await asyncio.to_thread(self._storage.forget_album, name)

    async def run(self) -> None:
        """Refresh folders after changes, until cancelled."""
        loop = asyncio.get_running_loop()
        with self._events.subscribe() as subscription:
            while True:
                day, start = self._today(), loop.time()
                ready = await self.refresh()
                await asyncio.sleep(_REST_FACTOR * (loop.time() - start))
                if ready:
                    await self._wait_for_change(subscription, day)
                else:
                    await asyncio.sleep(_RETRY_SECONDS)

    async def refresh(self) -> bool:
        """Refresh every folder, and return False if a retry may help though nothing changes."""
        ready = True
        for album in list(self._albums.values()):
            # The lock is taken for each album: saving one does not wait for the refresh of all.
            async with self._lock:
                if album.folder and self._albums.get(album.name) is album:
                    ready &= await self._refresh(album)
        return ready

    async def _refresh(self, album: Album) -> bool:
        try:
            paths = await self._paths(album)
        except NotReadyError:
            return False
        except PhsearchError as problem:
            self._note(album, problem)
            # No event of the library reports that there is a model again.
            return not isinstance(problem, ModelUnavailableError)
        except Exception as bug:  # noqa: BLE001 - an album must not cost the others, nor the search
            self._note(album, PhsearchError(f"a bug in phsearch ({type(bug).__name__}: {bug})", "report it"), bug)
            return True
        return await self._sync_links(album, paths)

    async def _paths(self, album: Album) -> list[str]:
        band = next((band for band in get_args(Band) if band == album.band), None)
        results = await self._searcher.search(SearchRequest(query=album.query, limit=album.limit, min_band=band))
        return [hit.photo.path for hit in results.hits]

    async def _replace(self, albums: Mapping[str, Album], changed: str) -> None:
        await asyncio.to_thread(self._storage.save_albums, albums.values())
        self._albums = dict(albums)
        self._problems.pop(changed, None)
        self._counts.pop(changed, None)

    async def _sync_links(self, album: Album, paths: list[str]) -> bool:
        try:
            await asyncio.to_thread(self._storage.link_photos, album.name, paths)
        except StoreError as problem:
            self._note(album, problem)
            return False
        self._counts[album.name] = len(paths)
        self._problems.pop(album.name, None)
        return True

    def _note(self, album: Album, problem: PhsearchError, bug: Exception | None = None) -> None:
        if self._problems.get(album.name) != problem.sentence():
            log.warning("the album %s keeps what it has: %s", album.name, problem.sentence(), exc_info=bug)
        self._problems[album.name] = problem.sentence()

    async def _wait_for_change(self, subscription: Subscription, day: dt.date) -> None:
        """Wait for a change and then until changes stop, or for another day, when "today" in a query is another."""
        while not await _wait_for_event(subscription, _HOUR, _CHANGES):
            if self._today() != day:
                return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MAX_DELAY_SECONDS
        while loop.time() < deadline:
            await asyncio.sleep(_QUIET_SECONDS)
            if not subscription.discard_all():
                return


async def _wait_for_event(subscription: Subscription, seconds: float, kinds: Collection[str]) -> bool:
    """Wait for an event of these kinds; return False if none comes in that time."""
    try:
        async with asyncio.timeout(seconds):
            while (await subscription.next()).type not in kinds:
                pass
    except TimeoutError:
        return False
    return True
