"""What is known of the model: whether it is there, what it runs on, and whether the index is its own.

Both tower workers report here. The first report of a start binds the index to the model's identity; a table made with
other weights stops searching and indexing with a clear reason instead of giving nonsense.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from phsearch.errors import ModelMismatchError, NotReadyError, PhsearchError

if TYPE_CHECKING:
    from phsearch.domain.ports import Store
    from phsearch.domain.types import ModelIdentity
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.process import WorkerInfo


_LOGIT_SCALE = 100.0
"""CLIP's own, and the bound of its like: for a worker that does not say."""


class ModelState:
    """Bound once, then asked by everyone."""

    def __init__(self, name: str, pretrained: str, store: Store, executor: SerialExecutor) -> None:
        self.name = name
        self.english_only = False  # nobody knows before the first report, and until then no query is answered
        self._pretrained = pretrained
        self._store = store
        self._executor = executor
        self._bound: ModelIdentity | None = None
        self._problem: PhsearchError | None = None
        self._ready: WorkerInfo | None = None
        self.image_worker_info: WorkerInfo | None = None
        """What the last index worker said of itself."""
        self._lock = asyncio.Lock()

    async def bind(self, ready: WorkerInfo, *, image: bool) -> None:
        """Take a worker's report. Raises ModelMismatchError when the index is not this model's, StoreError."""
        async with self._lock:
            self.english_only = not ready.multilingual
            if image:
                self.image_worker_info = ready
            if image or self._ready is None:
                self._ready = ready
            if self._bound == ready.identity:
                self._problem = None
                return
            try:
                await self._executor.submit(self._store.create_or_check, ready.identity)
            except PhsearchError as error:
                self._problem = error
                raise
            self._bound = ready.identity
            self._problem = None

    def failed(self, error: PhsearchError) -> None:
        """Note why there is no model."""
        self._problem = error

    def check_ready(self) -> None:
        """Raise what stands in the way of answering a query."""
        if self._problem is not None:
            raise self._problem
        if self._bound is None:
            raise NotReadyError(f'the model "{self.name}" is still loading', "ask again in a few seconds")

    @property
    def problem(self) -> PhsearchError | None:
        """What is wrong with the model, if anything."""
        return self._problem

    @property
    def weights(self) -> tuple[str, str]:
        """The digest of the weights and where they are, "" while that is not known."""
        return (self._ready.identity.weights, self._ready.source) if self._ready else ("", "")

    @property
    def bound(self) -> ModelIdentity | None:
        """The model the index is of, None before the first report."""
        return self._bound

    @property
    def logit_scale(self) -> float:
        """What the model multiplies its cosines with before a softmax."""
        return self._ready.logit_scale if self._ready else _LOGIT_SCALE

    @property
    def named(self) -> tuple[str, str]:
        """Its name and its weights', as in the settings."""
        return self.name, self._pretrained

    @property
    def label(self) -> str:
        """Name the model as its owner does, e.g. "ViT-B-32/laion2b_s34b_b79k"."""
        return f"{self.name}/{self._pretrained}" if self._pretrained else self.name

    def status(self) -> dict[str, Any]:
        """Describe the model for `status`."""
        match self._problem:
            case None:
                state = "ready" if self._bound else "loading"
            case ModelMismatchError():
                state = "mismatch"
            case _:
                state = "unavailable"
        return {
            "name": self.name,
            "pretrained": self._pretrained,
            "state": state,
            "device": self._ready.device if self._ready else None,
            "precision": self._ready.precision if self._ready else None,
            "dim": self._bound.dim if self._bound else None,
            "confinement": (self._ready.sandbox or None) if self._ready else None,
            "reason": str(self._problem) if self._problem else None,
            "hint": self._problem.hint if self._problem else None,
        }
