"""The report of a worker that is ready, which the daemon reads as `WorkerInfo`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from phsearch.adapters.sandbox import enter_sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.ports import Tower


def enter_sandbox_and_report(tower: Tower, folders: Sequence[str] | None = ()) -> dict[str, Any]:
    """Enter the sandbox, which allows reading `folders` (None: all), and return the report.

    The tower must have run: its driver or compiler opens its files at the first run.
    """
    sandbox = enter_sandbox(folders, device=tower.device != "cpu")
    return {
        "op": "ready",
        "identity": dataclasses.asdict(tower.info.identity),
        "device": tower.device,
        "precision": tower.precision,
        "runtime": tower.runtime,
        "device_choice": dataclasses.asdict(tower.device_choice),
        "source": tower.info.source,
        "multilingual": tower.info.multilingual,
        "logit_scale": tower.info.logit_scale,
        "pid": os.getpid(),
        "sandbox": sandbox,
    }
