"""Third check: a photo still has its bytes, and the model still returns the vector that is stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import Embedded, EmbedJob, Unreadable
from phsearch.domain.verification import Mismatch, compare_vectors
from phsearch.errors import UnreadableImageError
from phsearch.service.verify.file_check import NOTICE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.library import Library
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo, Vectors
    from phsearch.domain.verification import Report
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.model_state import ModelState

_CONCURRENT = 48
"""Photos that are read at once: some batches of the model, so that it does not wait for the disk."""

_MODEL_SECONDS = 2.0


class SampleCheck:
    """Reads and embeds photos again, after all photos that wait to be indexed."""

    def __init__(
        self,
        *,
        router: PipelineRouter,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        image_worker: ImageWorker,
        model: ModelState,
        throttle: IndexingThrottle,
    ) -> None:
        self._router = router
        self._library = library
        self._index = index
        self._rank_executor = rank_executor
        self._image_worker = image_worker
        self._model = model
        self._throttle = throttle

    async def check(self, photos: Iterable[Photo], report: Report, excuses: Callable[[Mismatch], bool]) -> None:
        """Check photos, some at a time. `excuses` returns whether a mismatch may be there although nothing is wrong."""
        await self._throttle.poll()
        rest = iter(photos)

        async def work() -> None:
            for photo in rest:
                mismatch = await self._check_photo(photo, report)
                if mismatch is not None and excuses(mismatch):
                    report.not_checked += 1
                elif mismatch is not None and self._library.get(photo.path) is photo:
                    report.mismatches.append(mismatch)

        async with asyncio.TaskGroup() as group:
            for _ in range(_CONCURRENT):
                group.create_task(work())

    async def _check_photo(self, photo: Photo, report: Report) -> Mismatch | None:
        pipeline = self._router.pipeline_of(photo.path)
        try:
            content = await pipeline.disk.digest_path(photo.path) if pipeline is not None else None
        except (FileNotFoundError, UnreadableImageError):
            content = None  # deleted or emptied since the file check
        except OSError as error:
            await asyncio.sleep(NOTICE_SECONDS)
            return Mismatch(photo.path, "unreadable", f"cannot be read: {error.strerror}")
        if content is None or content.fingerprint != photo.fingerprint:
            return None
        if content.digest == photo.digest:
            return await self._check_vector(photo, report)
        report.sampled += 1
        return _other_bytes(photo, content.fingerprint.ctime_ns)

    async def _check_vector(self, photo: Photo, report: Report) -> Mismatch | None:
        match await self._embed_again(photo):
            case Embedded() as embedded:
                report.sampled += 1
                known = await self._rank_executor.submit(self._index.vector, photo.path)
                return self._compare(photo, embedded.vector, known, report)
            case Unreadable() as failed:
                report.sampled += 1
                return Mismatch(photo.path, "unreadable", failed.reason)
            case None:
                report.not_checked += 1
                report.held = report.held or self._throttle.pause_reason
        return None

    async def _embed_again(self, photo: Photo) -> EmbedResult | None:
        """Embed a photo. Return None if the model fails, or during a pause, which may last for hours."""
        if self._throttle.pause_reason:
            return None
        checking = asyncio.ensure_future(
            self._image_worker.check_photo(EmbedJob(photo.path, photo.root, photo.fingerprint, photo.digest))
        )
        try:
            while not checking.done():
                await asyncio.wait({checking}, timeout=_MODEL_SECONDS)
                if not checking.done() and (self._model.problem is not None or self._throttle.pause_reason):
                    return None
            return checking.result()
        finally:
            checking.cancel()

    def _compare(self, photo: Photo, now: Vectors, known: Vectors | None, report: Report) -> Mismatch | None:
        if known is None or self._library.get(photo.path) is not photo:
            return None
        cosine, mismatch = compare_vectors(photo.path, now, known)
        if report.lowest_cosine is None or not cosine >= report.lowest_cosine:
            report.lowest_cosine = cosine
        return mismatch


def _other_bytes(photo: Photo, ctime_ns: int | None) -> Mismatch:
    """Return the mismatch of a file that has other bytes, but the size and time of modification that it had.

    A program can set that time back, and not the time of change, which only some file systems lack: FAT gives the
    other time in its place.
    """
    known = photo.fingerprint.ctime_ns
    if known is None or ctime_ns is None or known == ctime_ns == photo.fingerprint.mtime_ns:
        detail = "its bytes changed, but not its size and time: a program set the time back, or the disk is failing"
        return Mismatch(photo.path, "other bytes", detail)
    if known == ctime_ns:
        return Mismatch(photo.path, "other bytes", "its bytes changed, but none of its times: the disk may be failing")
    return Mismatch(photo.path, "file changed", "a program changed it, set its time back, and nothing has noticed")
