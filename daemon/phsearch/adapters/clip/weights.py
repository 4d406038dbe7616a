"""Decides which files of weights may be loaded: never a pickle.

A pickle is a program: its author decides what runs when it is loaded. safetensors contains numbers only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from phsearch.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFETENSORS = ".safetensors"
_PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_DEFAULT_FILE = "open_clip_model.safetensors"
_CONVERT_HINT = (
    "convert it to safetensors where you trust it (`phsearch-client help security` says how), and name the new file in "
    "model.pretrained"
)


def forbid_pickles() -> None:
    """Make torch.load raise in this process, for every library that calls it."""
    torch.load = _raise_pickle_error


def _raise_pickle_error(*_: Any, **__: Any) -> NoReturn:
    raise ModelUnavailableError(
        "the model's weights are a pickle, which can run programs when it is loaded", _CONVERT_HINT
    )


def check_folder(name: str, folder: Path) -> None:
    """Raise ModelUnavailableError for a folder with weights that are all pickles."""
    if any(folder.glob(f"*{SAFETENSORS}")):
        return
    pickle = next((file for pattern in _PICKLE_PATTERNS for file in sorted(folder.glob(pattern))), None)
    if pickle is not None:
        raise ModelUnavailableError(
            f'model "{name}": {pickle.name} is a pickle, which can run programs when it is loaded',
            "convert it to safetensors where you trust it (`phsearch-client help security` says how), in that folder",
        )


def check_file(name: str, file: Path) -> None:
    """Raise ModelUnavailableError for a file of weights that is not safetensors."""
    if file.suffix != SAFETENSORS:
        raise ModelUnavailableError(
            f'model "{name}": {file.name} is not safetensors, and a pickle can run programs when it is loaded',
            _CONVERT_HINT,
        )


def hub_place(preset: Mapping[str, Any]) -> tuple[str, str]:
    """Return the repository of a preset's weights on the hub, "" without one, and the name they have as safetensors.

    open_clip looks for the same name, and fetches a pickle only where that is missing.
    """
    repository, _, file = preset.get("hf_hub", "").rpartition("/")
    return repository, str(Path(file).with_suffix(SAFETENSORS)) if file else _DEFAULT_FILE


def pickle_only(name: str, pretrained: str) -> ModelUnavailableError:
    """Return the error for weights that are not to be had as safetensors."""
    return ModelUnavailableError(
        f'model "{name}": the weights "{pretrained}" are to be had as a pickle only, which can run programs when it is '
        "loaded",
        "set model.pretrained to others, or to a file that you converted (`phsearch-client help security` says how)",
    )
