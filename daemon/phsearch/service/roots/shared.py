"""What all roots share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from phsearch.domain.ports import Watcher
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots
    from phsearch.safe_open import DigestReader
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.in_flight import InFlightContents
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.image_worker import ImageWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedParts:
    """The parts of which there is one for all roots.

    `decoder` names the version of what decodes photos. `disk_thread_init` is called first on each thread that reads
    from a disk.
    """

    roots: Roots
    watcher: Watcher
    mounts: Callable[[], Mounts]
    open_file: Callable[..., DigestReader]
    disk_thread_init: Callable[[], object]
    decoder: str
    photo_index: PhotoIndex
    writer: StoreWriter
    router: PipelineRouter
    in_flight: InFlightContents
    image_worker: ImageWorker
    throttle: IndexingThrottle
    events: EventBus
    activity: asyncio.Event
