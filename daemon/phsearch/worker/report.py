"""The report of a worker that is ready, which the daemon reads as `WorkerInfo`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from phsearch.adapters.sandbox import enter_sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.adapters.clip import LoadedTower, OpenClipImageTower, OpenClipTextTower


def enter_sandbox_and_report(
    bundle: LoadedTower, tower: OpenClipImageTower | OpenClipTextTower, folders: Sequence[str] | None = ()
) -> dict[str, Any]:
    """Enter the sandbox, which allows reading `folders` (None: all), and return the report.

    The tower must have run: its driver or compiler opens its files at the first run.
    """
    on_device = not str(tower.device).startswith("cpu")
    sandbox = enter_sandbox(folders, device=on_device)
    return {
        "op": "ready",
        "identity": dataclasses.asdict(bundle.identity),
        "device": str(tower.device),
        "precision": tower.precision,
        "device_choice": dataclasses.asdict(tower.device_choice),
        "source": bundle.source,
        "multilingual": bundle.multilingual,
        "logit_scale": bundle.logit_scale,
        "pid": os.getpid(),
        "sandbox": sandbox,
    }
