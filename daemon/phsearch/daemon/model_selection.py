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
    wanted = wanted_model(settings, choice)
    active = choice.active or wanted
    if active != wanted and active not in photos_of_models(settings.paths.state.index):
        active = wanted  # there is nothing to find by the former one
    return ModelSelection(
        choice=choice,
        configured=_configured(settings),
        overruling=settings.options.get("model.name", ""),
        active=active,
        wanted=wanted,
    )


def wanted_model(settings: Settings, choice: ModelChoice) -> ModelName:
    """Return the model that is wanted: that of the command line, or the chosen one, or that of the settings."""
    configured = _configured(settings)
    return configured if "model.name" in settings.options else choice.wanted(configured)


def _configured(settings: Settings) -> ModelName:
    return ModelName(settings.config.model.name, settings.config.model.pretrained)
