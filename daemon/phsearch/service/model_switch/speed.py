"""How fast photos of this library are embedded on this machine: some are embedded again for some seconds."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import Embedded, EmbedJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.domain.types import Photo
    from phsearch.service.workers.image_worker import ImageWorker

_SECONDS = 5.0
_AT_ONCE = 32
_MOST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What was measured over so many `photos`: the seconds that each takes, and those of the model among them."""

    photos: int
    seconds: float
    model: float

    def estimate(self, photos: int, cost: float) -> float:
        """Return the seconds for so many photos by a model that takes `cost` times as long as the measured one."""
        return photos * (max(self.seconds - self.model, 0.0) + self.model * cost)


class SpeedMeasurement:
    """Measures when it is asked for the first time with each model. `epoch` counts the models that were in use."""

    def __init__(self, *, library: Library, image_worker: ImageWorker, epoch: Callable[[], int]) -> None:
        self._library = library
        self._image_worker = image_worker
        self._epoch = epoch
        self._lock = asyncio.Lock()
        self._latest: tuple[int, Speed] | None = None

    async def measure(self) -> Speed | None:
        """Return the speed; None where no photo can be embedded now, or where that cannot be told from new photos."""
        async with self._lock:
            epoch = self._epoch()
            if self._latest is not None and self._latest[0] == epoch:
                return self._latest[1]
            speed = None if self._image_worker.busy else await self._measure()
            if speed is not None and epoch == self._epoch():
                self._latest = epoch, speed
            return speed

    async def _measure(self) -> Speed | None:
        photos = self._library.photos()
        sample = random.sample(photos, min(_MOST, len(photos)))
        if not sample or not await self._embed(sample[:_AT_ONCE]):  # the worker has started after that
            return None
        before, begin = self._image_worker.stage_totals.work, time.monotonic()
        while sample and time.monotonic() - begin < _SECONDS:
            some, sample = sample[:_AT_ONCE], sample[_AT_ONCE:]
            await self._embed(some)
        seconds, work = time.monotonic() - begin, self._image_worker.stage_totals.work.since(before)
        if not work.embedded:
            return None
        return Speed(photos=work.embedded, seconds=seconds / work.embedded, model=work.model / work.embedded)

    async def _embed(self, photos: list[Photo]) -> int:
        jobs = [EmbedJob(photo.path, photo.root, photo.fingerprint, photo.digest) for photo in photos]
        results = await asyncio.gather(*map(self._image_worker.check_photo, jobs))
        return sum(isinstance(result, Embedded) for result in results)
