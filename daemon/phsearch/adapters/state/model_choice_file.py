"""The file of the state folder that remembers which model was chosen, and which one answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phsearch.adapters.state.json_files import UNREADABLE, fault_of, write_json
from phsearch.domain.model.choice import ModelChoice
from phsearch.domain.types import ModelName

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.problems import Problems

_CHOICE = "choice of the model"


class ModelChoiceFile:
    """Keeps a `ModelChoice`; models are written as `[name, pretrained]`."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems

    def load(self) -> ModelChoice:
        """Return the choice. Without a file, or with one that makes no sense, it is what the settings say."""
        try:
            return _choice(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return ModelChoice()
        except UNREADABLE as error:
            text = f"{self._path} cannot be used ({fault_of(error)}): the model is that of the settings"
            self._problems.report(_CHOICE, text, "choose it again with `phsearch-client model use`")
            return ModelChoice()

    def save(self, choice: ModelChoice) -> None:
        """Write the choice. Raises StoreError; then the file is what it was."""
        record = {
            "active": _pair(choice.active),
            "chosen": _pair(choice.chosen),
            "configured": _pair(choice.configured),
            "left": [[*_names(model), at] for model, at in choice.left.items()],
        }
        write_json(self._path, record)
        if choice.configured is not None:  # it was chosen, maybe again
            self._problems.resolve(_CHOICE)


def _choice(record: Any) -> ModelChoice:
    return ModelChoice(
        active=_model(record["active"]),
        chosen=_model(record["chosen"]),
        configured=_model(record["configured"]),
        left={ModelName(_text(name), _text(pretrained)): float(at) for name, pretrained, at in record["left"]},
    )


def _model(pair: Any) -> ModelName | None:
    if pair is None:
        return None
    name, pretrained = pair
    return ModelName(_text(name), _text(pretrained))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it holds something that is no name")
    return value


def _pair(model: ModelName | None) -> list[str] | None:
    return None if model is None else list(_names(model))


def _names(model: ModelName) -> tuple[str, str]:
    return model.name, model.pretrained
