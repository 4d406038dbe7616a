"""The report of a worker that is ready, which the daemon reads as `WorkerInfo`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from phsearch.adapters.linux.processes import malloc_trim, release_mapped_files
from phsearch.adapters.sandbox import enter_sandbox
from phsearch.service.workers.command import WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.ports import Tower
    from phsearch.service.workers.frames import WorkerChannel


def enter_sandbox_and_report(
    channel: WorkerChannel, tower: Tower, folders: Sequence[str] | None = (), *, batch_size: int = 1
) -> None:
    """Enter the sandbox, which allows reading `folders` (None: all), and report that the worker is ready.

    The tower must have run: its driver or compiler opens its files at the first run. The memory that only this took is
    given back.
    """
    malloc_trim()
    release_mapped_files()
    info = WorkerInfo(
        identity=tower.info.identity,
        device=tower.device,
        precision=tower.precision,
        runtime=tower.runtime,
        device_choice=tower.device_choice,
        source=tower.info.source,
        multilingual=tower.info.multilingual,
        logit_scale=tower.info.logit_scale,
        batch_size=batch_size,
        pid=os.getpid(),
        sandbox=enter_sandbox(folders, device=tower.device != "cpu"),
    )
    send_report(channel, info)


def send_report(channel: WorkerChannel, info: WorkerInfo) -> None:
    """Tell the daemon that the worker is ready."""
    channel.send_message({"op": "ready", **dataclasses.asdict(info)})
