"""Everything that is looked at by those who say how the daemon is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.service.health.throughput import Load
    from phsearch.service.indexing.photo_index import Catalog
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.indexing.store_writer import Figures, Writer
    from phsearch.service.roots.monitor import RootKeeper
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.workers.image_worker import Embedder
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.on_demand import Summoned
    from phsearch.service.workers.supervision import Career
    from phsearch.service.workers.text_worker import TextTowerProcess


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a running daemon."""

    catalog: Catalog
    pipelines: Pipelines
    embedder: Embedder
    text_tower: TextTowerProcess
    writer: Writer
    model: ModelState
    keepers: Mapping[str, RootKeeper]
    searcher: Searcher
    load: Load
    figures: Figures
    summoned: Mapping[str, Summoned]
    """Workers that are there only while they are wanted, by name."""

    @property
    def careers(self) -> dict[str, Career]:
        """The workers, by name."""
        steady = {"index": self.embedder.career, "query": self.text_tower.career}
        return steady | {name: each.career for name, each in self.summoned.items() if each.career.starts}

    @property
    def processes(self) -> dict[str, int]:
        """The processes there are, by name."""
        workers = {name: career.pid for name, career in self.careers.items() if career.pid is not None}
        return {"daemon": os.getpid()} | workers
