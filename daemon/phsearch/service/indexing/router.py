"""All roots' pipelines as one: who asks about a path need not know its root, and each content is embedded once."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import Embedded
from phsearch.domain.throughput import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.domain.indexing.batching import Candidate, Outcome
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Digested, PhotoInfo, Vectors
    from phsearch.service.indexing.pipeline import Pipeline, Seen
    from phsearch.service.workers.image_worker import Embedder


@dataclass(slots=True)
class _Flight:
    """A content that is being embedded: for whom, who waits for it, and whether its outcome has come."""

    photo: Candidate
    owner: Pipeline
    twins: list[tuple[Pipeline, Candidate]] = field(default_factory=list)
    answered: bool = False


class Pipelines:
    """The pipelines of all roots, and the one embedder they share. A path outside every root is passed over.

    A pipeline may be taken out while photos of it are being embedded. What becomes of those is of use still: their
    twins in other roots wait for it, and `keep` is told the vector, for the content may well be met again.
    """

    def __init__(
        self, roots: Roots, embedder: Embedder, keep: Callable[[bytes, PhotoInfo, Vectors], None] = lambda *_: None
    ) -> None:
        self._roots = roots
        self._embedder = embedder
        self._keep = keep
        self._pipelines: dict[str, Pipeline] = {}
        self._flights: dict[bytes, _Flight] = {}
        self._former = Work()
        self.stirred = asyncio.Event()
        """Set when there is something to do, for those who rest meanwhile."""
        embedder.on_outcome = self._take

    def add(self, root: str, pipeline: Pipeline) -> None:
        """Take a root's pipeline in."""
        self._pipelines[root] = pipeline

    def remove(self, root: str, *, hung: bool) -> None:
        """Take a root's pipeline out, whose `run` has ended; `hung` says that its disk does not answer."""
        pipeline = self._pipelines.pop(root)
        pipeline.close()
        self._former = self._former.plus(pipeline.clocks.work)
        self._embedder.withdraw(root, hung=hung)
        for flight in list(self._flights.values()):
            if flight.owner is pipeline and flight.answered:
                self.concluded(flight.photo)

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
    def work(self) -> Work:
        """What all of them have done, and those that were taken out."""
        return functools.reduce(
            Work.plus, (pipeline.clocks.work for pipeline in self._pipelines.values()), self._former
        )

    def place(self, path: str) -> str | None:
        """Say where a path is on its way, None where it is not."""
        pipeline = self._of(path)
        return pipeline.place(path) if pipeline is not None else None

    def position(self, path: str) -> tuple[int, int] | None:
        """Give the place of a path that waits to be read or embedded, as (n from 1, of m); None for any other."""
        pipeline = self._of(path)
        return pipeline.position(path) if pipeline is not None else None

    def under(self, folder: str) -> list[str]:
        """Give the paths in `folder`, at any depth, that are on their way."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.under(folder)]

    def on_their_way(self) -> list[str]:
        """Give all paths that are on their way."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.on_their_way()]

    def touch(self, path: str, *, closed: bool) -> None:
        """Look at a path once it has settled."""
        if (pipeline := self._of(path)) is not None:
            pipeline.touch(path, closed=closed)

    def offer(self, path: str) -> None:
        """Look at a path now."""
        if (pipeline := self._of(path)) is not None:
            pipeline.offer(path)

    def drop(self, path: str) -> None:
        """Let go of a path that is gone."""
        if (pipeline := self._of(path)) is not None:
            pipeline.drop(path)

    def retry(self, path: str) -> None:
        """Try a failed file again though nothing changed."""
        if (pipeline := self._of(path)) is not None:
            pipeline.retry(path)

    async def look(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Look at files of any roots now."""
        roots: dict[Pipeline, list[str]] = {}
        for path in paths:
            if (pipeline := self._of(path)) is not None:
                roots.setdefault(pipeline, []).append(path)
        return [look for pipeline, own in roots.items() for look in await pipeline.look(own)]

    async def read(self, path: str) -> Digested | None:
        """Read one file and give its digest, None where it changes meanwhile. Raises OSError, UnreadableImageError."""
        pipeline = self._of(path)
        return await pipeline.read(path) if pipeline is not None else None

    # --- what the pipelines share -----------------------------------------------------------------------------

    def embed(self, candidate: Candidate, by: Pipeline) -> None:
        """Embed a photo, unless one of the same content is being embedded: then it waits for what becomes of that."""
        flight = self._flights.get(candidate.digest)
        if flight is not None:
            flight.twins.append((by, candidate))
            return
        self._flights[candidate.digest] = _Flight(candidate, by)
        self._embedder.submit(candidate)

    def concluded(self, candidate: Candidate) -> None:
        """Let those go on that waited for this photo."""
        flight = self._flights.pop(candidate.digest, None)
        for pipeline, twin in flight.twins if flight is not None else ():
            if self._serves(pipeline):
                pipeline.again(twin)

    def before(self, path: str) -> int | None:
        """Give how many photos are embedded before one that waits; None for one that does not wait."""
        return self._embedder.position(path)

    def withdraw(self, root: str, *, hung: bool) -> None:
        """Let go of what waits to be embedded in a root that is gone; its files are found again when it is back."""
        self._embedder.withdraw(root, hung=hung)
        self.stir()

    def stir(self) -> None:
        """Wake those who rest while there is nothing to do."""
        self.stirred.set()

    def room(self, most: int) -> Awaitable[None]:
        """Wait until fewer than `most` photos wait."""
        return self._embedder.room(most)

    def _take(self, outcome: Outcome) -> None:
        flight = self._flights[outcome.photo.digest]
        flight.answered = True
        if self._serves(flight.owner):
            flight.owner.take(outcome)
            return
        if isinstance(outcome, Embedded):
            self._keep(outcome.photo.digest, outcome.info, outcome.vector)
        self.concluded(outcome.photo)

    def _serves(self, pipeline: Pipeline) -> bool:
        return any(pipeline is each for each in self._pipelines.values())

    def _of(self, path: str) -> Pipeline | None:
        root = self._roots.of(path)
        return self._pipelines[root] if root is not None else None
