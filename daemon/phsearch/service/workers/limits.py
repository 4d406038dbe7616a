"""How much time and memory a worker process may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.indexing import worker_exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.worker_exit import WorkerExit

MB = 1 << 20
_BYTES_PER_PIXEL = 24
"""WebP's decoder takes the most of all sound decoders: 22 for a lossless picture with transparency. Others take 7 to
13."""
_MACHINE_SHARE = 0.5
_BATCH_BYTES = 512 * MB
_MODEL_FACTOR = 5.0


def worker_memory_limit(configured_mb: int, loaded: int, threads: int, megapixels: float, machine: int) -> int:
    """Return how many bytes the index worker may take before the photo that it decodes is suspected.

    `loaded` is what the worker takes with its model loaded, `machine` the memory of the machine, both in bytes.

    The automatic limit is the model's memory, and room for a photo of the largest allowed size in each decoding thread,
    but no more than half of the machine. A photo alone has all of that room. Several large photos together may exceed
    it, and are then decoded one after the other.
    """
    # Whatever is configured: the model's batches take up to as much again as the model, and no photo is to blame.
    least = 2 * loaded + _BATCH_BYTES
    if configured_mb:
        return max(configured_mb * MB, least)
    room = int(megapixels * 1_000_000 * _BYTES_PER_PIXEL) * threads
    return max(min(least + room, int(machine * _MACHINE_SHARE)), least)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may take."""

    photo_seconds: float
    """How long it may decode one photo."""
    memory_of: Callable[[int], int]
    """Returns the memory of a process in bytes."""
    max_memory: Callable[[int], int]
    """Returns the most bytes a worker may take, from those that it takes once its model is loaded."""

    @property
    def silent_seconds(self) -> float:
        """How long it may send no message while its model works: a large model on a slow processor takes long."""
        return self.photo_seconds * _MODEL_FACTOR


class MemoryLimit:
    """The memory that one worker process may take. Made when its model is loaded and it has no photo yet."""

    def __init__(self, pid: int, limits: WorkerLimits) -> None:
        self._pid = pid
        self._memory_of = limits.memory_of
        self._max_bytes = limits.max_memory(limits.memory_of(pid))

    def violation(self) -> WorkerExit | None:
        """Return why the worker must be ended, None while it stays within its limit."""
        exceeded = self._memory_of(self._pid) > self._max_bytes
        return worker_exit.memory_exceeded(self._max_bytes) if exceeded else None
