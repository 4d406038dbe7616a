"""Which files of weights may be loaded: those whose sha256 is known where we ship them, and never a pickle.

A pickle is a program: whoever wrote the file decides what runs when it is loaded. safetensors holds numbers only.
"""

from __future__ import annotations

import hashlib
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
_CHECKSUM_FILE = "SHA256SUMS"
_DEFAULT_FILE = "open_clip_model.safetensors"
_CHUNK = 1 << 20
_CONVERT_HINT = (
    "convert it to safetensors where you trust it (README, Security, has the command), and name the new file in "
    "model.pretrained"
)


def forbid_pickles() -> None:
    """Have torch load no pickle in this process, whatever a library would like."""
    torch.load = _raise_pickle_error


def _raise_pickle_error(*_: Any, **__: Any) -> NoReturn:
    raise ModelUnavailableError(
        "the model's weights are a pickle, which can run programs when it is loaded", _CONVERT_HINT
    )


def verify_checksums(name: str, folder: Path) -> None:
    """Compare a bundled model's files with its list of sums. Raises ModelUnavailableError."""
    remedy = "install phsearch again: its files are damaged, or are not its own"
    try:
        lines = (folder / _CHECKSUM_FILE).read_text(encoding="ascii").splitlines()
        for wanted, _, file in (line.partition("  ") for line in lines):
            if _sha256(folder / file) != wanted:
                raise ModelUnavailableError(
                    f'model "{name}": {folder / file} has not the sha256 it should have', remedy
                )
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(f'model "{name}": {folder} cannot be checked ({error})', remedy) from error


def _sha256(file: Path) -> str:
    state = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def check_folder(name: str, folder: Path) -> None:
    """Refuse a folder that has weights, but only pickled ones. Raises ModelUnavailableError."""
    if any(folder.glob(f"*{SAFETENSORS}")):
        return
    pickled = next((file for pattern in _PICKLE_PATTERNS for file in sorted(folder.glob(pattern))), None)
    if pickled is not None:
        raise ModelUnavailableError(
            f'model "{name}": {pickled.name} is a pickle, which can run programs when it is loaded',
            "convert it to safetensors where you trust it (README, Security, has the command), in that folder",
        )


def check_file(name: str, file: Path) -> None:
    """Refuse a file of weights that is not safetensors. Raises ModelUnavailableError."""
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
) -> None:
    """Have a preset's weights in the cache as safetensors, before open_clip would fetch a pickle for want of them.

    Raises ModelUnavailableError where there are none, and what the hub raises where that cannot be known.
    """
    repository, _, file = preset.get("hf_hub", "").rpartition("/")
    # The names under which open_clip looks for them, too.
    named = [str(Path(file).with_suffix(SAFETENSORS))] if file else [_DEFAULT_FILE]
    for job in named if repository else ():
        try:
            download(repo_id=repository, filename=job)
        except LocalEntryNotFoundError:
            raise  # not cached, and the hub was not asked
        except EntryNotFoundError:
            continue
        return
    raise ModelUnavailableError(
        f'model "{name}": the weights "{pretrained}" are to be had as a pickle only, which can run programs when it is '
        "loaded",
        "set model.pretrained to others, or to a file that you converted to safetensors (README, Security)",
    )
