"""Which model the owner wants, and which one answers until that is ready."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.types import ModelName

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSelection:
    """The model that answers, and the one that is wanted, for which it makes room when that is complete.

    `configured` is that of the settings, and `overruling` the option that wins over any choice, "" without one.
    """

    choice: ModelChoice
    configured: ModelName
    overruling: str
    active: ModelName
    wanted: ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """What is remembered of the choice of a model over a restart.

    `active` is the model that answered last. `chosen` was chosen by a command, when the settings had `configured`.
    `left` says when each former model was left, in seconds since the epoch.
    """

    active: ModelName | None = None
    chosen: ModelName | None = None
    configured: ModelName | None = None
    left: Mapping[ModelName, float] = field(default_factory=dict)

    def wanted(self, configured: ModelName) -> ModelName:
        """Return the model to use: the chosen one, unless the settings have changed to `configured` since."""
        return self.chosen if self.chosen is not None and self.configured == configured else configured

    def choose(self, model: ModelName, configured: ModelName) -> ModelChoice:
        """Return what to remember when this model is chosen."""
        return replace(self, chosen=None if model == configured else model, configured=configured)

    def activate(self, model: ModelName, now: float) -> ModelChoice:
        """Return what to remember when this model begins to answer."""
        left = {each: at for each, at in self.left.items() if each != model}
        if self.active is not None and self.active != model:
            left[self.active] = now
        return replace(self, active=model, left=left)

    def forget(self, model: ModelName) -> ModelChoice:
        """Return what to remember when nothing is left of a model."""
        return replace(self, left={each: at for each, at in self.left.items() if each != model})

    def expired(self, keep_days: float, now: float) -> list[ModelName]:
        """Return the former models that were left longer ago than `keep_days`."""
        return [model for model in self.left if now > self.ends(model, keep_days)]

    def ends(self, model: ModelName, keep_days: float) -> float:
        """Return when what is kept of a former model is removed, in seconds since the epoch."""
        return self.left[model] + keep_days * _DAY
