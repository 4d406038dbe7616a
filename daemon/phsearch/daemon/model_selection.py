"""Which model answers when the daemon starts, and which one is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.store.model_tables import photos_of_models
from phsearch.domain.model.choice import ModelSelection
from phsearch.domain.types import ModelName

if TYPE_CHECKING:
    from phsearch.config import Settings
    from phsearch.domain.model.choice import ModelChoice


def select_model(settings: Settings, choice: ModelChoice) -> ModelSelection:
    """Return the selection by the settings and by what is remembered. Raises StoreError."""
    configured = ModelName(settings.config.model.name, settings.config.model.pretrained)
    overruling = settings.options.get("model.name", "")
    wanted = configured if overruling else choice.wanted(configured)
    active = choice.active or wanted
    if active != wanted and active not in photos_of_models(settings.paths.state.index):
        active = wanted  # there is nothing to find by the former one
    return ModelSelection(choice=choice, configured=configured, overruling=overruling, active=active, wanted=wanted)
