"""Gives the workers of a running daemon other settings, or the commands of another model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from phsearch import logs
from phsearch.daemon.worker_commands import index_worker_limits, on_demand_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phsearch.config import Config, ModelConfig, WatchConfig
    from phsearch.daemon.worker_commands import WorkerCommands
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.on_demand import OnDemandWorker
    from phsearch.service.workers.process import WorkerProcess
    from phsearch.service.workers.text_worker import TextWorker


class LiveWorkers:
    """The workers, with the settings and commands in force. `online_roots` are the folders that they may read."""

    def __init__(
        self,
        *,
        config: Config,
        commands: WorkerCommands,
        online_roots: Callable[[], Sequence[str]],
        image_worker: ImageWorker,
        text_worker: TextWorker,
        on_demand: Mapping[str, OnDemandWorker],
    ) -> None:
        self.config = config
        self._commands = commands
        self._online_roots = online_roots
        self._image_worker = image_worker
        self._text_worker = text_worker
        self._on_demand = on_demand

    def reconfigure(self, **sections: Any) -> None:
        """Use these sections of the settings."""
        self.config = dataclasses.replace(self.config, **sections)
        index = self.config.index
        command = self._commands.index_worker(self.config, self._online_roots)
        self._image_worker.reconfigure(command, index.keep_alive_seconds, index_worker_limits(index))
        self._reconfigure_on_demand()

    def use_query(self, section: Any) -> None:
        """Use this section for the worker of queries."""
        self.config = dataclasses.replace(self.config, query=section)
        self._text_worker.reconfigure(section.keep_alive_seconds)

    def use_model(self, model: ModelConfig, commands: WorkerCommands, process: WorkerProcess | None) -> None:
        """Use another model from now on; `process` embeds texts by it already, if there is one."""
        self.config = dataclasses.replace(self.config, model=model)
        self._commands = commands
        self._image_worker.use_command(commands.index_worker(self.config, self._online_roots))
        self._text_worker.use_command(commands.text_worker(self.config), process)
        self._reconfigure_on_demand()

    def _reconfigure_on_demand(self) -> None:
        for name, command in self._commands.on_demand_workers(self.config).items():
            self._on_demand[name].reconfigure(command, on_demand_limits(self.config.index))


def live_settings(
    *, workers: LiveWorkers, removed: RemovedRoots, throttle: IndexingThrottle
) -> dict[str, Callable[[Any], None]]:
    """Return what applies each section of the settings that can change at run time. Any other needs a restart."""

    def watch(section: WatchConfig) -> None:
        # Which files a worker may read is decided when it starts.
        if section.follow_symlinks != workers.config.watch.follow_symlinks:
            workers.reconfigure(watch=section)
        removed.reconfigure(section)

    return {
        "watch": watch,
        "index": lambda section: workers.reconfigure(index=section),
        "query": workers.use_query,
        "courtesy": throttle.reconfigure,
        "log": lambda section: logs.set_level(section.level),
    }
