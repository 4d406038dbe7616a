"""The state of the model: whether it is available, on which device it runs, and whether the index was made with it.

The index worker and the query worker both report here. The first report after a start binds the index to the identity
of the model. A table made with other weights stops searching and indexing with a clear reason, since its results would
be nonsense.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

from phsearch.domain.types import ModelName
from phsearch.errors import ModelMismatchError, NotReadyError, PhsearchError
from phsearch.wire.results.daemon import ModelStatus

if TYPE_CHECKING:
    from phsearch.domain.types import ModelIdentity
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.command import WorkerInfo
    from phsearch.service.workers.model_download import DownloadProgress


_LOGIT_SCALE = 100.0
"""That of CLIP, which similar models do not exceed; used until a worker reports its own."""


class ModelTables(Protocol):
    """The tables of the index that are made with a model."""

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Create them for this model, or check that they were made for it. Raises ModelMismatchError."""


class ModelState:
    """A model of the daemon: the one that answers, or one that is being prepared."""

    def __init__(
        self,
        *,
        name: str,
        pretrained: str,
        tables: ModelTables,
        executor: SerialExecutor,
        download: DownloadProgress,
    ) -> None:
        self.name = name
        self.english_only = False  # unknown before the first report, and until then no query is answered
        self.download = download
        """How far its download is, where one is under way."""
        self._pretrained = pretrained
        self._tables = tables
        self._executor = executor
        self._bound: ModelIdentity | None = None
        self._problem: PhsearchError | None = None
        self._info: WorkerInfo | None = None
        self.image_worker_info: WorkerInfo | None = None
        """The report of the last index worker."""
        self.epoch = 0
        """Counts the models that were in use: vectors of different epochs are never compared."""
        self._lock = asyncio.Lock()

    async def bind(self, info: WorkerInfo, *, image: bool) -> None:
        """Record the report of a worker. Raises StoreError; ModelMismatchError when the index is of another model."""
        async with self._lock:
            self.english_only = not info.multilingual
            if image:
                self.image_worker_info = info
            if image or self._info is None:
                self._info = info
            if self._bound == info.identity:
                self._problem = None
                return
            try:
                await self._executor.submit(self._tables.create_or_check, info.identity)
            except PhsearchError as error:
                self._problem = error
                raise
            self._bound = info.identity
            self._problem = None

    def replace_by(self, other: ModelState) -> None:
        """Be the other model from now on, which is bound to tables that the store uses from now on, too."""
        self.name, self._pretrained, self.download = other.name, other._pretrained, other.download
        self.english_only, self._bound, self._problem = other.english_only, other._bound, other._problem
        self._info, self.image_worker_info = other._info, other.image_worker_info
        self.epoch += 1

    def failed(self, error: PhsearchError) -> None:
        """Note why the model is not available."""
        self._problem = error

    def check_ready(self) -> None:
        """Raise the reason why no query can be answered, if there is one."""
        if self._problem is not None:
            raise self._problem
        if self._bound is None and (download := str(self.download)):
            raise NotReadyError(f"no query can be answered yet: {download}", "`phsearch-client status` shows it")
        if self._bound is None:
            raise NotReadyError(f'the model "{self.name}" is still loading', "ask again in a few seconds")

    @property
    def problem(self) -> PhsearchError | None:
        """The problem with the model, None without one."""
        return self._problem

    @property
    def weights(self) -> tuple[str, str]:
        """The digest of the weights and where they are stored; both are "" while unknown."""
        return (self._info.identity.weights, self._info.source) if self._info else ("", "")

    @property
    def bound(self) -> ModelIdentity | None:
        """The model that the index was made with, None before the first report."""
        return self._bound

    @property
    def logit_scale(self) -> float:
        """The factor by which the model multiplies its cosines before a softmax."""
        return self._info.logit_scale if self._info else _LOGIT_SCALE

    @property
    def named(self) -> ModelName:
        """The names of the model and of its weights, as in the settings."""
        return ModelName(self.name, self._pretrained)

    def status(self, *, worker_running: bool) -> ModelStatus:
        """Return the model's part of `status`."""
        state: Literal["loading", "ready", "mismatch", "unavailable"]
        match self._problem:
            case None:
                state = "ready" if self._bound else "loading"
            case ModelMismatchError():
                state = "mismatch"
            case _:
                state = "unavailable"
        return ModelStatus(
            name=self.name,
            pretrained=self._pretrained,
            state=state,
            device=self._info.device if self._info else None,
            precision=self._info.precision if self._info else None,
            dim=self._bound.dim if self._bound else None,
            confinement=(self._info.sandbox or None) if self._info else None,
            reason=str(self._problem) if self._problem else None,
            hint=self._problem.hint if self._problem else None,
            image_worker="running" if worker_running else "idle",
            download=self.download.report(),
        )
