"""Embeds what a model that is being prepared has no vector of: found often first, then the newest photos.

Work goes by content, so that a photo that is moved or copied meanwhile costs nothing, and what is embedded already is
known after a restart. Photos that are new to the library go first, by the model that answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.indexing.batching import Embedded, EmbedJob, Unreadable
from phsearch.errors import PhsearchError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.library import Library
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo, Vectors
    from phsearch.service.model_switch.staged import StagedModel
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.model")

_PASS = 2_048
_AHEAD = 64
_BATCH = 256
_FLUSH_SECONDS = 2.0
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 5.0
_ATTEMPTS = 3
"""A photo that changes, or cannot be read here, is tried so often. Then it is left to the index, as a new one."""
_ROW_BYTES = 400
"""Of a row without its vector, with the older versions of the table that are there for some minutes."""
_SPARE_BYTES = 200 << 20


class Backfill:
    """Embeds photos by a staged model until none that can be read lacks its vector.

    `often_found` returns contents that were found most often, `is_online` whether a photo can be read now, `is_idle`
    whether no new photo waits for the model that answers, and `free_bytes` the room on the disk of the index.
    """

    def __init__(
        self,
        *,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        store_executor: SerialExecutor,
        often_found: Callable[[], Iterable[bytes]],
        is_online: Callable[[Photo], bool],
        is_idle: Callable[[], bool],
        free_bytes: Callable[[], int],
        on_progress: Callable[[], None],
    ) -> None:
        self._library = library
        self._index = index
        self._rank_executor = rank_executor
        self._store_executor = store_executor
        self._often_found = often_found
        self._is_online = is_online
        self._is_idle = is_idle
        self._free_bytes = free_bytes
        self._on_progress = on_progress
        self._staged: StagedModel | None = None
        self._attempts: dict[bytes, int] = {}
        self._under_way: set[bytes] = set()
        self._unwritten: list[tuple[Photo, Vectors]] = []
        self._flushed_at = time.monotonic()
        self.embedded = 0
        self.lacking = len(library)
        """How many photos had no vector when that was last counted, less those that were embedded since."""
        self.offline = 0
        """How many of them cannot be read now."""
        self.problem: PhsearchError | None = None
        """Why the work does not go on, None while it does."""

    @property
    def _model(self) -> StagedModel:
        assert self._staged is not None
        return self._staged

    @property
    def failed(self) -> int:
        """How many contents were given up."""
        return len(self._given_up())

    def on_result(self, result: EmbedResult) -> None:
        """Take the result of a photo."""
        digest = result.photo.digest
        self._under_way.discard(digest)
        match result:
            case Embedded(job, _, vector):
                self._model.tables.vectors.put_vectors([digest], vector[None])
                photo = self._library.get(job.path)
                if photo is None or photo.digest != digest:
                    photo = self._library.photo_by_digest(digest)
                if photo is not None:
                    self._unwritten.append((photo, vector))
                self.embedded += 1
                self.lacking = max(self.lacking - 1, 0)
            case Unreadable(_, reason, "content"):
                log.info("%s: not embedded by the new model: %s", result.photo.path, reason)
                self._attempts[digest] = _ATTEMPTS
            case _:
                self._attempts[digest] = self._attempts.get(digest, 0) + 1
        self._on_progress()

    async def run(self, staged: StagedModel) -> None:
        """Embed by this model, whose first worker has loaded it, until nothing is left to do."""
        self._staged = staged
        while True:
            photos = await self._next_photos()
            if photos:
                await self._embed(photos)
            await self._write_all()
            if not self.lacking and not photos:
                return
            if not photos:
                # What is left is offline, or is tried again.
                await asyncio.sleep(_WAIT_SECONDS)

    async def _next_photos(self) -> list[Photo]:
        """Return photos to embed next, and count those that lack a vector."""
        vectors, given_up = self._model.tables.vectors, self._given_up()
        often = [
            photo
            for digest in self._often_found()
            if digest not in vectors and (photo := self._library.photo_by_digest(digest)) is not None
        ]

        def select() -> tuple[list[Photo], int, int]:
            photos = self._index.photos()
            lacking = np.fromiter((photo.digest not in vectors for photo in photos), np.bool_, len(photos))
            left = [row for row in np.flatnonzero(lacking).tolist() if photos[row].digest not in given_up]
            online = [row for row in left if self._is_online(photos[row])]
            lacking[:] = False
            lacking[online] = True
            newest = [photos[row] for row in self._index.newest(lacking, _PASS)]
            return newest, len(left), len(left) - len(online)

        newest, self.lacking, self.offline = await self._rank_executor.submit(select)
        first = [photo for photo in often if photo.digest not in given_up and self._is_online(photo)]
        return list({photo.digest: photo for photo in (*first, *newest)}.values())

    def _given_up(self) -> set[bytes]:
        return {digest for digest, attempts in self._attempts.items() if attempts >= _ATTEMPTS}

    async def _embed(self, photos: Sequence[Photo]) -> None:
        worker = self._model.image_worker
        for photo in photos:
            await self._wait_for_turn()
            await worker.wait_for_space(_AHEAD)
            now = self._library.get(photo.path)
            if now is None or now.digest != photo.digest:
                continue  # it is met again under its new name
            self._under_way.add(now.digest)
            worker.submit_job(EmbedJob(now.path, now.root, now.fingerprint, now.digest))
            if self._is_flush_due():
                await self._write_all()
        while self._under_way:
            await asyncio.sleep(_POLL_SECONDS)
            if self._is_flush_due():
                await self._write_all()

    async def _wait_for_turn(self) -> None:
        """Wait while new photos are being indexed, or while the disk has no room."""
        while not self._is_idle():  # noqa: ASYNC110 - it depends on many things
            await asyncio.sleep(_POLL_SECONDS)
        while (problem := self._lack_of_room()) is not None:
            if self.problem is None:
                log.warning("%s", problem.sentence())
            self.problem = problem
            await asyncio.sleep(_WAIT_SECONDS)
        self.problem = None

    def _lack_of_room(self) -> PhsearchError | None:
        bound = self._model.state.bound
        wanted = self.lacking * (2 * (bound.dim if bound else 0) + _ROW_BYTES)
        free = self._free_bytes()
        if free >= wanted + _SPARE_BYTES:
            return None
        return PhsearchError(
            f"the index of {self._model.name} needs {wanted / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free",
            "make room, and it goes on by itself",
        )

    def _is_flush_due(self) -> bool:
        late = time.monotonic() - self._flushed_at > _FLUSH_SECONDS
        return len(self._unwritten) >= _BATCH or (late and bool(self._unwritten))

    async def _write_all(self) -> None:
        """Write what was embedded, however often that has to be tried."""
        while self._unwritten:
            photos, self._unwritten = self._unwritten, []
            try:
                await self._store_executor.submit(self._model.tables.rows.apply, photos)
                self.problem = None
            except StoreError as error:
                self._unwritten = photos + self._unwritten
                if self.problem is None:
                    log.error("%s", error.sentence())
                self.problem = error
                await asyncio.sleep(_WAIT_SECONDS)
        self._flushed_at = time.monotonic()
