"""All roots' pipelines as one: who asks about a path need not know its root, and each content is embedded once."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import Embedded
from phsearch.domain.throughput import StageCounts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.domain.indexing.batching import EmbedJob, EmbedResult
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import PhotoInfo, Vectors
    from phsearch.service.indexing.pipeline import RootPipeline, Seen
    from phsearch.service.workers.image_worker import ImageWorker


@dataclass(slots=True)
class _InFlight:
    """A content that is being embedded: for whom, who waits for it, and whether its outcome has come."""

    photo: EmbedJob
    owner: RootPipeline
    duplicates: list[tuple[RootPipeline, EmbedJob]] = field(default_factory=list)
    answered: bool = False


class PipelineRouter:
    """The pipelines of all roots, and the one embedder they share. A path outside every root is passed over.

    A pipeline may be taken out while photos of it are being embedded. What becomes of those is of use still: their
    twins in other roots wait for it, and `keep` is told the vector, for the content may well be met again.
    """

    def __init__(
        self,
        roots: Roots,
        image_worker: ImageWorker,
        keep: Callable[[bytes, PhotoInfo, Vectors], None] = lambda *_: None,
    ) -> None:
        self._roots = roots
        self._image_worker = image_worker
        self._cache_vector = keep
        self._pipelines: dict[str, RootPipeline] = {}
        self._in_flight: dict[bytes, _InFlight] = {}
        self._removed = StageCounts()
        self.activity = asyncio.Event()
        """Set when there is something to do, for those who rest meanwhile."""

    def add_pipeline(self, root: str, pipeline: RootPipeline) -> None:
        """Take a root's pipeline in."""
        self._pipelines[root] = pipeline

    def remove_pipeline(self, root: str, *, hung: bool) -> None:
        """Take a root's pipeline out, whose `run` has ended; `hung` says that its disk does not answer."""
        pipeline = self._pipelines.pop(root)
        pipeline.close()
        self._removed = self._removed.plus(pipeline.stage_totals.work)
        self._image_worker.withdraw_root(root, hung=hung)
        for flight in list(self._in_flight.values()):
            if flight.owner is pipeline and flight.answered:
                self.finished(flight.photo)

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return sum(pipeline.pending for pipeline in self._pipelines.values())

    @property
    def settling(self) -> int:
        """Files seen that may still be changing."""
        return sum(pipeline.settling for pipeline in self._pipelines.values())

    @property
    def queued(self) -> int:
        """Files that wait to be read, or are being indexed."""
        return sum(pipeline.queued for pipeline in self._pipelines.values())

    @property
    def total_work(self) -> StageCounts:
        """What all of them have done, and those that were taken out."""
        return functools.reduce(
            StageCounts.plus, (pipeline.stage_totals.work for pipeline in self._pipelines.values()), self._removed
        )

    def pipeline_of(self, path: str) -> RootPipeline | None:
        """Return the pipeline of the root that holds `path`, None outside every root."""
        root = self._roots.root_of(path)
        return self._pipelines[root] if root is not None else None

    def under(self, folder: str) -> list[str]:
        """Give the paths in `folder`, at any depth, that are on their way."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.under(folder)]

    def pending_paths(self) -> list[str]:
        """Give all paths that are on their way."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.pending_paths()]

    async def stat_paths(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Look at files of any roots now."""
        roots: dict[RootPipeline, list[str]] = {}
        for path in paths:
            if (pipeline := self.pipeline_of(path)) is not None:
                roots.setdefault(pipeline, []).append(path)
        return [look for pipeline, own in roots.items() for look in await pipeline.stat_paths(own)]

    # --- what the pipelines share -----------------------------------------------------------------------------

    def embed_job(self, job: EmbedJob, by: RootPipeline) -> None:
        """Embed a photo, unless one of the same content is being embedded: then it waits for what becomes of that."""
        flight = self._in_flight.get(job.digest)
        if flight is not None:
            flight.duplicates.append((by, job))
            return
        self._in_flight[job.digest] = _InFlight(job, by)
        self._image_worker.submit_job(job)

    def finished(self, job: EmbedJob) -> None:
        """Let those go on that waited for this photo."""
        flight = self._in_flight.pop(job.digest, None)
        for pipeline, duplicate in flight.duplicates if flight is not None else ():
            if self._serves(pipeline):
                pipeline.on_duplicate_done(duplicate)

    def ahead_of(self, path: str) -> int | None:
        """Give how many photos are embedded before one that waits; None for one that does not wait."""
        return self._image_worker.embed_position(path)

    def withdraw(self, root: str, *, hung: bool) -> None:
        """Let go of what waits to be embedded in a root that is gone; its files are found again when it is back."""
        self._image_worker.withdraw_root(root, hung=hung)
        self.wake()

    def wake(self) -> None:
        """Wake those who rest while there is nothing to do."""
        self.activity.set()

    def wait_for_space(self, most: int) -> Awaitable[None]:
        """Wait until fewer than `most` photos wait."""
        return self._image_worker.wait_for_space(most)

    def on_embed_result(self, result: EmbedResult) -> None:
        """Pass a result on to the pipeline that submitted the photo."""
        flight = self._in_flight[result.photo.digest]
        flight.answered = True
        if self._serves(flight.owner):
            flight.owner.on_embed_result(result)
            return
        if isinstance(result, Embedded):
            self._cache_vector(result.photo.digest, result.info, result.vector)
        self.finished(result.photo)

    def _serves(self, pipeline: RootPipeline) -> bool:
        return any(pipeline is each for each in self._pipelines.values())
