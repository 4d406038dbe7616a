"""Which settings can change while the daemon runs, and who takes them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from phsearch import logs
from phsearch.assembly.workers import limits, onlooker_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.config import Config, WatchConfig
    from phsearch.service.embedder import Embedder
    from phsearch.service.governor import Governor
    from phsearch.service.process import WorkerCommand
    from phsearch.service.removed import RemovedRoots
    from phsearch.service.summoned import Summoned


def live(
    config: Config,
    removed: RemovedRoots,
    embedder: Embedder,
    governor: Governor,
    command: Callable[[Config], WorkerCommand],
    summoned: Mapping[str, Summoned],
    onlookers: Callable[[Config], Mapping[str, WorkerCommand]],
) -> dict[str, Callable[[Any], None]]:
    """Give what takes each section of the settings at run time; who changes any other is told to start it anew."""
    now = config

    def hire(**sections: Any) -> None:
        nonlocal now
        now = dataclasses.replace(now, **sections)
        embedder.take(command(now), now.index.keep_alive_seconds, limits(now.index))
        for name, their in onlookers(now).items():
            summoned[name].take(their, onlooker_limits(now.index))

    def watch(section: WatchConfig) -> None:
        # Which files a worker may read is settled when it starts.
        if section.follow_symlinks != now.watch.follow_symlinks:
            hire(watch=section)
        removed.take(section)

    return {
        "watch": watch,
        "index": lambda section: hire(index=section),
        "courtesy": governor.take,
        "log": lambda section: logs.set_level(section.level),
    }
