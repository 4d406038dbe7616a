"""Decides which files of weights may be loaded: never a pickle.

A pickle is a program: its author decides what runs when it is loaded. safetensors contains numbers only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import huggingface_hub
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from phsearch.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def download_safetensors(
    name: str,
    pretrained: str,
    preset: Mapping[str, Any],
    download: Callable[..., str] = huggingface_hub.hf_hub_download,
) -> Path:
    """Put a preset's weights into the cache as safetensors, so that open_clip does not fetch a pickle instead.

    Return the file. Raises ModelUnavailableError if there are none, and the hub's errors if it cannot be asked.
    """
    repository, _, file = preset.get("hf_hub", "").rpartition("/")
    # open_clip looks for the same names.
    names = [str(Path(file).with_suffix(SAFETENSORS))] if file else [_DEFAULT_FILE]
    for each in names if repository else ():
        try:
            return Path(download(repo_id=repository, filename=each))
        except LocalEntryNotFoundError:
            raise  # it is not cached, and the hub was not asked
        except EntryNotFoundError:
            continue
    raise ModelUnavailableError(
        f'model "{name}": the weights "{pretrained}" are to be had as a pickle only, which can run programs when it is '
        "loaded",
        "set model.pretrained to others, or to a file that you converted (`phsearch-client help security` says how)",
    )
