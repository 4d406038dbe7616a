"""Build what changes the model while the daemon runs."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from phsearch.adapters.store.table_files import size
from phsearch.daemon.compose_index import new_image_worker
from phsearch.daemon.worker_commands import on_demand_limits
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.service.model_switch.activation import ModelActivation, TableAlignment
from phsearch.service.model_switch.backfill import Backfill
from phsearch.service.model_switch.former_models import FormerModels
from phsearch.service.model_switch.preview import Preview
from phsearch.service.model_switch.staged import StagedModel, StagedTables
from phsearch.service.model_switch.switcher import ModelSwitch
from phsearch.service.search.searcher import Searcher
from phsearch.service.threads import SerialExecutor
from phsearch.service.workers.model_state import ModelState
from phsearch.service.workers.on_demand import OnDemandWorker
from phsearch.service.workers.text_worker import TextWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.adapters.state.model_choice_file import ModelChoiceFile
    from phsearch.config import Settings
    from phsearch.daemon.compose_index import IndexParts
    from phsearch.daemon.compose_search import SearcherFactory
    from phsearch.daemon.live_workers import LiveWorkers
    from phsearch.daemon.worker_commands import CommandFactory
    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.model.choice import ModelSelection
    from phsearch.domain.ports import Store
    from phsearch.domain.types import ModelName, Photo
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.workers.command import WorkerCommand


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SwitchBuilder:
    """Builds the parts of a model that is prepared beside the one that answers."""

    parts: IndexParts
    store: Store
    settings: Settings
    factory: CommandFactory
    workers: LiveWorkers
    searcher: Searcher
    searchers: SearcherFactory

    def build(self, selection: ModelSelection, file: ModelChoiceFile) -> ModelSwitch:
        """Return the switch. Nothing runs yet."""
        parts, executors = self.parts, self.parts.executors
        return ModelSwitch(
            selection=selection,
            file=file,
            library=parts.library,
            search=self.searcher.search,
            stage=self._stage,
            make_backfill=self._backfill,
            activation=ModelActivation(
                model=parts.model,
                store=self.store,
                store_executor=executors.store,
                writer=parts.writer,
                photo_index=parts.photo_index,
                router=parts.router,
                removed=parts.removed,
                alignment=TableAlignment(library=parts.library, roots=parts.roots, store_executor=executors.store),
            ),
            former=FormerModels(
                store=self.store,
                executor=executors.store,
                keep_days=self.settings.config.model.keep_days,
                remove_files=lambda model: _remove_folder(self.factory.folder_of(model).path),
            ),
            activity=parts.activity,
        )

    def _backfill(self) -> Backfill:
        parts, monitors = self.parts, self.parts.manager.monitors

        def is_online(photo: Photo) -> bool:
            monitor = monitors.get(photo.root)
            return monitor is not None and not monitor.offline(photo.path)

        return Backfill(
            library=parts.library,
            index=parts.index,
            rank_executor=parts.executors.rank,
            store_executor=parts.executors.store,
            often_found=self.searcher.often_found,
            is_online=is_online,
            is_idle=lambda: not parts.router.queued,
            free_bytes=lambda: _free_bytes(self.settings.paths.state.index),
            on_progress=parts.activity.set,
        )

    def _stage(self, name: ModelName, on_result: Callable[[EmbedResult], None]) -> StagedModel:
        parts, executors = self.parts, self.parts.executors
        model = dataclasses.replace(self.workers.config.model, name=name.name, pretrained=name.pretrained)
        config = dataclasses.replace(self.workers.config, model=model)
        commands = self.factory.commands(model, background=True)
        tables = StagedTables(self.store, executors.store)
        state = ModelState(
            name=name.name,
            pretrained=name.pretrained,
            tables=tables,
            executor=executors.store,
            download=commands.download,
        )
        text_worker = TextWorker(
            command=commands.text_worker(config), model=state, keep_alive=config.query.keep_alive_seconds
        )
        return StagedModel(
            name=name,
            state=state,
            tables=tables,
            text_worker=text_worker,
            image_worker=new_image_worker(
                config=config,
                command=commands.index_worker(config, parts.manager.monitors.online_roots),
                model=state,
                throttle=parts.throttle,
                on_result=on_result,
            ),
            preview=self._preview(state, tables, text_worker, commands.on_demand_workers(config)["like"]),
            use_workers=lambda process: self.workers.use_model(model, commands, process),
        )

    def _preview(
        self, state: ModelState, tables: StagedTables, text_worker: TextWorker, like: WorkerCommand
    ) -> Preview:
        parts, index, executor = self.parts, VectorIndex(), SerialExecutor("preview")
        like_worker = OnDemandWorker(command=like, limits=on_demand_limits(self.workers.config.index))
        search_parts = self.searchers.new_searcher(
            model=state,
            text_worker=text_worker,
            like_worker=like_worker,
            index=index,
            executor=executor,
            is_indexed=lambda path: index.row(path) is not None,
        )
        return Preview(
            library=parts.library,
            vectors=lambda: tables.vectors,
            index=index,
            executor=executor,
            searcher=search_parts.searcher,
            like_worker=like_worker,
        )


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 1 << 62  # the write itself says what is wrong


def _remove_folder(folder: Path) -> int:
    """Delete a folder, and return how many bytes were in it."""
    freed = size(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return freed
