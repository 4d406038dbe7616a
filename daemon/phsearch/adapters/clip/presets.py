"""The models that open_clip knows by name, and where their files are."""

from __future__ import annotations

import contextlib
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub.constants
import transformers

from phsearch.adapters.clip import weights
from phsearch.adapters.clip.open_clip_library import open_clip
from phsearch.errors import ModelUnavailableError, UnknownModelError
from phsearch.model_files import foreign_text_model, local_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHOWN = 6
_USUAL = ("ViT-B-32", "ViT-B-16-SigLIP2", "MobileCLIP-S1")


def _find_preset(name: str, pretrained: str) -> dict[str, Any] | None:
    """Return open_clip's preset of weights, None where `pretrained` is a file.

    Raises UnknownModelError for names that there are not, ModelUnavailableError for a file that is not there.
    """
    known = open_clip.list_models()
    if name.replace("/", "-") not in known:
        near = ", ".join(_near(name, known) or _USUAL)
        raise UnknownModelError(
            f'there is no model "{name}"',
            f'take "mini", a local-dir: or a known name, e.g. {near}; `phsearch-client model list` shows some',
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained in tags:
        preset: dict[str, Any] = open_clip.get_pretrained_cfg(name, pretrained)
        return preset
    if Path(pretrained).is_file():
        return None
    given = f'"{pretrained}" are not weights' if pretrained else "no weights are chosen"
    shown = _near(pretrained, tags) or tags[:_SHOWN]
    more = f", or {len(tags) - len(shown)} others" if len(tags) > len(shown) else ""
    choice = f"one of {', '.join(shown)}{more}" if tags else "a file of weights"
    # A file may come: its disk may not be mounted yet.
    error = ModelUnavailableError if "/" in pretrained else UnknownModelError
    raise error(f'model "{name}": {given}', f"take {choice}: `phsearch-client model use {name} WEIGHTS`")


def hub_weights(name: str, pretrained: str) -> tuple[str, str] | None:
    """Return repository and name of a model's weights, None where they are a file. Raises ModelUnavailableError."""
    preset = _find_preset(name, pretrained)
    if preset is None:
        return None
    place = weights.hub_place(preset)
    if not place[0]:
        raise weights.pickle_only(name, pretrained)
    return place


def cache_text_files(name: str) -> None:
    """Have what some models take from the hub for texts in the cache: the tokenizer, and a text tower's settings.

    The network is used only if something is missing. Raises the errors of the libraries.
    """
    wanted: list[Callable[[], Any]] = []
    if (folder := local_folder(name)) is not None:  # it has its tokenizer
        settings = foreign_text_model(folder)
    else:
        settings = (open_clip.get_model_config(name) or {}).get("text_cfg", {}).get("hf_model_name", "")
        wanted.append(lambda: open_clip.get_tokenizer(name))
    if settings:
        wanted.append(lambda: transformers.AutoConfig.from_pretrained(settings))
    for load in wanted:
        try:
            with _offline():
                load()
        except Exception:  # noqa: BLE001 - anything may be wrong with the cache
            load()


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before


def _near(wanted: str, known: list[str]) -> list[str]:
    """Return the names that are meant most likely: the same letters and digits come before what only looks alike."""
    same = [name for name in known if _bare(name) == _bare(wanted)]
    return same or difflib.get_close_matches(wanted.strip(), known, 3, 0.4)


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
