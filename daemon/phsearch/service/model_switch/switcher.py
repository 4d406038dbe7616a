"""Changes the model while the daemon runs. What is chosen, and which model answers, is remembered over a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from phsearch.errors import ModelChoiceError, PhsearchError, StoreError, UnknownModelError
from phsearch.service.model_switch.report import describe, describe_refusal
from phsearch.service.rate_meter import RateMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from phsearch.domain.library import Library
    from phsearch.domain.model.choice import ModelChoice, ModelSelection
    from phsearch.domain.types import ModelName
    from phsearch.service.model_switch.activation import ModelActivation
    from phsearch.service.model_switch.backfill import Backfill
    from phsearch.service.model_switch.former_models import FormerModels
    from phsearch.service.model_switch.staged import StagedModel, StageModel
    from phsearch.service.search.searcher import SearchRequest, SearchResults
    from phsearch.wire.results.daemon import SwitchStatus

log = logging.getLogger("phsearch.model")

_POLL_SECONDS = 0.1
_RETRY_SECONDS = 60.0
_CLOCK_SECONDS = 3600.0
"""How often the days of former models are looked at: the clock may be set, and a computer may sleep."""


class ChoiceFile(Protocol):
    """Where the choice is remembered."""

    def save(self, choice: ModelChoice) -> None:
        """Write the choice. Raises StoreError; then what was written before stays."""


class ModelSwitch:
    """The change from the model that answers to the one that is wanted."""

    def __init__(
        self,
        *,
        selection: ModelSelection,
        file: ChoiceFile,
        library: Library,
        search: Callable[[SearchRequest], Coroutine[None, None, SearchResults]],
        stage: StageModel,
        make_backfill: Callable[[], Backfill],
        activation: ModelActivation,
        former: FormerModels,
        activity: asyncio.Event,
    ) -> None:
        self.choice = selection.choice
        self.active = selection.active
        self.target = selection.wanted
        self._configured = selection.configured
        self._overruling = selection.overruling
        self._file = file
        self._library = library
        self._search = search
        self._stage = stage
        self._make_backfill = make_backfill
        self._activation = activation
        self._former = former
        self._activity = activity
        self._changed = asyncio.Event()
        self._settled = asyncio.Lock()
        """Held while the model that answers is replaced, and while another one is chosen."""
        self.staged: StagedModel | None = None
        self._backfill: Backfill | None = None
        self._completing = False
        self._rate = RateMeter()
        self._refused: tuple[ModelName, PhsearchError] | None = None

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self.target != self.active

    async def index_sizes(self) -> dict[ModelName, int]:
        """Return the models that have photos in the index, with the bytes of their tables. Raises StoreError."""
        return await self._former.sizes()

    def forgotten_at(self, model: ModelName) -> float | None:
        """Return when what is kept of a model is removed, None where that is not settled."""
        return self.choice.ends(model, self._former.keep_days) if model in self.choice.left else None

    async def choose(self, model: ModelName) -> None:
        """Change to this model. Raises ModelChoiceError, or StoreError when the choice cannot be remembered."""
        if self._overruling:
            raise ModelChoiceError(
                f"the daemon was started with {self._overruling}, which decides on the model",
                f"start it without {self._overruling}, and choose again",
            )
        async with self._settled:
            await self._remember(self.choice.choose(model, self._configured))
            self._refused = None
            self.target = model
            self._changed.set()
            self._activity.set()
        if self.busy:
            log.info("changing to the model %s, while %s answers", model, self.active)

    async def cancel(self) -> None:
        """Stay with the model that answers. What was embedded is kept. Raises as `choose`."""
        if not self.busy:
            raise ModelChoiceError("the model is not being changed", "`phsearch-client model use` begins a change")
        await self.choose(self.active)
        log.info("the change of the model is cancelled; what was embedded is kept")

    async def remove(self, model: ModelName) -> int:
        """Remove what is kept of a model, and return how many bytes it took. Raises ModelChoiceError, StoreError."""
        if model in (self.active, self.target):
            other = "`phsearch-client model cancel` first" if model != self.active else "change to another model first"
            raise ModelChoiceError(f"{model} is in use", other)
        freed = await self._former.remove(model)
        if not freed:
            raise ModelChoiceError(f"nothing is kept of {model}", "`phsearch-client model list` shows what is kept")
        await self._remember(self.choice.forget(model))
        return freed

    def search_by(self, model: ModelName) -> Callable[[SearchRequest], Coroutine[None, None, SearchResults]]:
        """Return what searches by this model. Raises ModelChoiceError where it neither answers nor is prepared."""
        if model == self.active:
            return self._search
        if self.staged is not None and self.staged.name == model:
            return self.staged.preview.search
        raise ModelChoiceError(
            f"{model} is not being prepared, so it has no photos to search",
            f"`phsearch-client model use {model}` begins with that, and changes to it when all is there",
        )

    async def run(self) -> None:
        """Change the model whenever another one is wanted, until cancelled."""
        if self.choice.active != self.active:
            await self._try_to_remember(self.choice.activate(self.active, time.time()))
        forgetting = asyncio.create_task(self._forget_former())
        try:
            while True:
                self._changed.clear()
                work = asyncio.create_task(self._switch(self.target)) if self.busy else None
                change = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait({change, *([work] if work else [])}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await _end(change, work)
        finally:
            await _end(forgetting)

    def report(self) -> SwitchStatus | None:
        """Return the state of the change under way, or why the last one was given up; None without either."""
        if not self.busy:
            return describe_refusal(*self._refused, len(self._library)) if self._refused is not None else None
        return describe(
            target=self.target,
            staged=self.staged,
            backfill=self._backfill,
            photos=len(self._library),
            rate=self._rate.sample(self._backfill.embedded) if self._backfill is not None else 0.0,
            completing=self._completing,
        )

    def summary(self) -> str:
        """Return the change as a clause for systemd's STATUS, "" without one."""
        report = self.report() if self.busy else None
        if report is None:
            return ""
        left = f", {report.eta} s left" if report.eta is not None else ""
        return f"changing to {self.target}: {report.state}, {report.done:,} of {report.total:,}{left}"

    async def _switch(self, target: ModelName) -> None:
        """Prepare a model, and let it answer. A bug or a full disk ends one attempt only."""
        while True:
            try:
                await self._prepare(target)
            except UnknownModelError as error:
                self._refused = (target, error)
                self.target = self.active
                await self._try_to_remember(self.choice.choose(self.active, self._configured))
                return
            except StoreError as error:
                log.error("the model is not changed yet: %s", error.sentence())
            except Exception:
                log.exception("a bug in phsearch ended the change of the model; it is tried again")
            else:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _prepare(self, target: ModelName) -> None:
        backfill, self._rate = self._make_backfill(), RateMeter()
        staged = self._stage(target, backfill.on_result)
        self.staged = staged
        running = [asyncio.create_task(worker.run()) for worker in (staged.text_worker, staged.image_worker)]
        try:
            running.append(asyncio.create_task(self._complete(staged, backfill)))
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                if task.done():
                    task.result()
        finally:
            await _end(*running)
            self.staged = self._backfill = None
            self._completing = False
            await staged.preview.close()
            await staged.tables.close()

    async def _complete(self, staged: StagedModel, backfill: Backfill) -> None:
        """Embed what the model lacks as soon as it is loaded, and let it answer. Raises UnknownModelError."""
        while staged.state.bound is None:
            if isinstance(staged.state.problem, UnknownModelError):
                raise staged.state.problem
            await asyncio.sleep(_POLL_SECONDS)
        self._backfill = backfill
        await backfill.run(staged)
        self._completing = True
        await self._activate(staged)

    async def _activate(self, staged: StagedModel) -> None:
        async with self._settled:
            if staged.name != self.target:
                return
            choice = self.choice.activate(staged.name, time.time())

            def note() -> None:
                self.choice, self.active = choice, staged.name

            await self._activation.activate(staged, lambda: self._file.save(choice), note)

    async def _forget_former(self) -> None:
        """Remove what is kept of former models when their days are over, until cancelled."""
        while True:
            for model in self.choice.expired(self._former.keep_days, time.time()):
                if model not in (self.active, self.target) and await self._former.expire(model):
                    await self._try_to_remember(self.choice.forget(model))
            await asyncio.sleep(_CLOCK_SECONDS)

    async def _remember(self, choice: ModelChoice) -> None:
        await asyncio.to_thread(self._file.save, choice)
        self.choice = choice

    async def _try_to_remember(self, choice: ModelChoice) -> None:
        try:
            await self._remember(choice)
        except StoreError as error:
            log.warning("%s", error.sentence())
            self.choice = choice


async def _end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks, and wait for their ends."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
