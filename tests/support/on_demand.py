"""On-demand workers for tests: a stand-in without torch, and one whose decoder was taken over."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.linux import processes
from phsearch.domain.types import ModelIdentity
from phsearch.service.workers import frames
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.limits import WorkerLimits
from phsearch.service.workers.on_demand import OnDemandWorker
from support.harness import TESTS
from support.workers import COLOUR_WORKER

if TYPE_CHECKING:
    from phsearch.service.workers.command import WorkerInfo

MODEL = ModelIdentity("mini", "", "colours", "32", 4)
RED, BLUE = (1, -1, -1), (-1, -1, 1)

ENV = {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(TESTS)])}


def limits(photo_seconds: float = 30, spare: int = 1 << 30) -> WorkerLimits:
    """Return limits of `photo_seconds`, and `spare` bytes beside those that a worker takes when it is ready."""
    return WorkerLimits(
        photo_seconds=photo_seconds, memory_of=processes.private_bytes, max_memory=lambda loaded: loaded + spare
    )


def on_demand(
    keep_alive: float = 60,
    photo_seconds: float = 30,
    program: tuple[str, ...] = COLOUR_WORKER,
    spare: int = 1 << 30,
    lie: str = "",
) -> OnDemandWorker:
    command = WorkerCommand(WorkerSetup(tower="like", name="mini", max_megapixels=1, folder=lie), ENV, program)
    return OnDemandWorker(command=command, limits=limits(photo_seconds, spare), keep_alive=keep_alive)


def signs(_ready: WorkerInfo, answer: frames.Frame) -> tuple[float, ...]:
    """Return the signs of a vector's red, green and blue."""
    return tuple(np.sign(frames.vectors_from_bytes(answer[1], 1)[0][:3]).tolist())


async def look(worker: OnDemandWorker, path: Path) -> tuple[float, ...]:
    return await worker.request({"op": "look", "path": str(path)}, path.read_bytes(), signs)  # noqa: ASYNC240 - small


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
