"""What indexing has to do, as the throttle asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.workers.image_worker import ImageWorker


@dataclass(frozen=True, slots=True)
class IndexingWorkload:
    """The files in the pipelines and the photos at the worker."""

    router: PipelineRouter
    image_worker: ImageWorker

    @property
    def busy(self) -> bool:
        """Whether a file is pending, or the worker has something to do."""
        return not self.router.idle() or self.image_worker.busy

    @property
    def holds_resources(self) -> bool:
        """Whether a worker process holds memory or a GPU."""
        return self.image_worker.running
