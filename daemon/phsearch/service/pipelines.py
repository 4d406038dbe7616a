"""All roots' pipelines as one: who asks about a path need not know its root, and each content is embedded once."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from phsearch.domain.bottleneck import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from phsearch.domain.batching import Candidate
    from phsearch.domain.roots import Roots
    from phsearch.domain.types import Digested
    from phsearch.service.embedder import Embedder, Outcome
    from phsearch.service.pipeline import Pipeline, Seen


class Pipelines:
    """The pipelines of all roots, and the one embedder they share. A path outside every root is passed over."""

    def __init__(self, roots: Roots, embedder: Embedder) -> None:
        self._roots = roots
        self._embedder = embedder
        self._pipelines: dict[str, Pipeline] = {}
        self._twins: dict[bytes, list[Candidate]] = {}
        embedder.on_outcome = self._take

    def add(self, root: str, pipeline: Pipeline) -> None:
        """Take a root's pipeline in."""
        self._pipelines[root] = pipeline

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
        """What all of them have done."""
        return functools.reduce(Work.plus, (pipeline.clocks.work for pipeline in self._pipelines.values()), Work())

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

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for pipeline in self._pipelines.values():
                group.create_task(pipeline.run())

    # --- what the pipelines share -----------------------------------------------------------------------------

    def embed(self, candidate: Candidate) -> None:
        """Embed a photo, unless one of the same content is being embedded: then it waits for what becomes of that."""
        if candidate.digest in self._twins:
            self._twins[candidate.digest].append(candidate)
            return
        self._twins[candidate.digest] = []
        self._embedder.submit(candidate)

    def concluded(self, candidate: Candidate) -> None:
        """Let those go on that waited for this photo."""
        for twin in self._twins.pop(candidate.digest, ()):
            self._pipelines[twin.root].again(twin)

    def before(self, path: str) -> int | None:
        """Give how many photos are embedded before one that waits; None for one that does not wait."""
        return self._embedder.position(path)

    def withdraw(self, root: str, *, hung: bool) -> None:
        """Let go of what waits to be embedded in a root that is gone; its files are found again when it is back."""
        self._embedder.withdraw(root, hung=hung)

    def room(self, most: int) -> Awaitable[None]:
        """Wait until fewer than `most` photos wait."""
        return self._embedder.room(most)

    def _take(self, outcome: Outcome) -> None:
        self._pipelines[outcome.photo.root].take(outcome)

    def _of(self, path: str) -> Pipeline | None:
        root = self._roots.of(path)
        return self._pipelines[root] if root is not None else None
