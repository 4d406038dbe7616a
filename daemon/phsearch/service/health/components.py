"""The parts of a running daemon that the diagnosis and the metrics read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.service.health.throughput import ThroughputMonitor
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreStats, StoreWriter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.on_demand import OnDemandWorker
    from phsearch.service.workers.supervision import WorkerStats
    from phsearch.service.workers.text_worker import TextWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The parts of a running daemon."""

    photo_index: PhotoIndex
    router: PipelineRouter
    image_worker: ImageWorker
    text_worker: TextWorker
    writer: StoreWriter
    model: ModelState
    monitors: Mapping[str, RootMonitor]
    searcher: Searcher
    throughput: ThroughputMonitor
    store_stats: StoreStats
    on_demand: Mapping[str, OnDemandWorker]
    """Workers that run only while they are needed, by name."""

    @property
    def worker_stats(self) -> dict[str, WorkerStats]:
        """The statistics of the workers by name; of a worker on demand once it has been started."""
        permanent = {"index": self.image_worker.worker_stats, "query": self.text_worker.worker_stats}
        return permanent | {
            name: each.worker_stats for name, each in self.on_demand.items() if each.worker_stats.starts
        }

    @property
    def processes(self) -> dict[str, int]:
        """The ids of the processes that run, by name."""
        workers = {name: stats.pid for name, stats in self.worker_stats.items() if stats.pid is not None}
        return {"daemon": os.getpid()} | workers
