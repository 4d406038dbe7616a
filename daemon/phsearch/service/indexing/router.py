"""The pipelines of all roots: which one a path belongs to, and what they have to do in sum."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from phsearch.domain.throughput import StageCounts

if TYPE_CHECKING:
    from phsearch.domain.roots.roots import Roots
    from phsearch.service.indexing.disk_reader import Seen
    from phsearch.service.indexing.pipeline import RootPipeline


class PipelineRouter:
    """The pipelines of the roots there are at any time."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._pipelines: dict[str, RootPipeline] = {}
        self._removed = StageCounts()

    def add_pipeline(self, root: str, pipeline: RootPipeline) -> None:
        """Add the pipeline of a root."""
        self._pipelines[root] = pipeline

    def remove_pipeline(self, root: str) -> None:
        """Close and remove the pipeline of a root; its `run` has ended."""
        pipeline = self._pipelines.pop(root)
        pipeline.close()
        self._removed = self._removed.plus(pipeline.stage_totals.work)

    def pipeline_of(self, path: str) -> RootPipeline | None:
        """Return the pipeline of the root that holds `path`, None outside every root."""
        root = self._roots.root_of(path)
        return self._pipelines[root] if root is not None else None

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return sum(pipeline.pending for pipeline in self._pipelines.values())

    def idle(self) -> bool:
        """Whether no file is pending."""
        return self.pending == 0

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
        """The work of all pipelines since the start, removed ones included."""
        return functools.reduce(
            StageCounts.plus, (pipeline.stage_totals.work for pipeline in self._pipelines.values()), self._removed
        )

    def pending_paths(self) -> list[str]:
        """Return all paths that are pending."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.pending_paths()]

    def under(self, folder: str) -> list[str]:
        """Return the paths in `folder`, at any depth, that are pending. Roots may lie inside it."""
        return [path for pipeline in self._pipelines.values() for path in pipeline.under(folder)]

    async def stat_paths(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Stat files of any roots now."""
        by_pipeline: dict[RootPipeline, list[str]] = {}
        for path in paths:
            if (pipeline := self.pipeline_of(path)) is not None:
                by_pipeline.setdefault(pipeline, []).append(path)
        return [seen for pipeline, own in by_pipeline.items() for seen in await pipeline.disk.stat_paths(own)]
