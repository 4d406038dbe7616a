"""Loads one tower of an open_clip model; every failure is explained in one sentence.

Model names have three forms: "mini" is the bundled folder, "local-dir:/path" is any folder of the same form, and every
other name is one of open_clip, with a tag or a file of weights. A model without weights is refused, since open_clip
would initialise it at random and every result would be noise. Pickled weights and changed bundled weights are refused,
too: see `weights`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import huggingface_hub.constants
import torch
from huggingface_hub import hf_hub_download
from torch.nn.modules.batchnorm import _BatchNorm

from phsearch.adapters.clip import weights
from phsearch.adapters.clip.open_clip_library import open_clip
from phsearch.adapters.clip.presets import hub_weights
from phsearch.domain.types import ModelIdentity, ModelInfo, Preprocess
from phsearch.errors import ModelUnavailableError
from phsearch.model_files import BUNDLED, CONFIG, local_folder, verify_checksums
from phsearch.text import short_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOCAL_PREFIX = "local-dir:"
_WEIGHTS = ("open_clip_model", "open_clip_pytorch_model", "model")
"""The names of weights in a folder that open_clip prefers."""
_OTHER_PARTS = {
    "image": ("text", "transformer", "token_embedding", "ln_final", "text_decoder"),
    "text": ("visual", "text_decoder"),
    "both": ("text_decoder",),
}
_MULTILINGUAL = re.compile(r"xlm|mt5|m2m|multilingual|i18n|siglip2|nllb|chinese|worldwide", re.IGNORECASE)

TowerName = Literal["image", "text", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTower:
    """A loaded tower and what is needed to use it. `mean` and `std` are per channel, of values in 0..1.

    `weights` is the file of weights, None where it is not known which one it is. `files` are all that were read.
    """

    model: Any
    tokenizer: Any
    info: ModelInfo
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Path | None
    files: tuple[Path, ...] = ()


def load_tower(name: str, pretrained: str, tower: TowerName) -> LoadedTower:
    """Load one tower in float32 on the CPU and drop the other one, or load both.

    Raises ModelUnavailableError with a hint that says what to change.
    """
    weights.forbid_pickles()
    if name in BUNDLED:
        verify_checksums(name, BUNDLED[name])
    folder = BUNDLED.get(name) or local_folder(name)
    if folder is not None:
        model, source, text_cfg = _load_folder(name, folder)
        file = _weights_in(folder)
    else:
        model, text_cfg, file = _load_named(name, pretrained)
        source = name
    model = model.eval().requires_grad_(requires_grad=False)
    cfg = open_clip.get_model_preprocess_cfg(model)
    info = ModelInfo(
        identity=ModelIdentity(
            name=name,
            pretrained=pretrained,
            weights=_digest(model),
            preprocess=json.dumps(cfg, sort_keys=True, default=list),
            dim=_dim(model),
        ),
        preprocess=_preprocess(cfg),
        multilingual=_is_multilingual(name, text_cfg),
        source=str(folder) if folder is not None else _named_source(name, pretrained),
        logit_scale=float(model.logit_scale.exp()),
    )
    for part in _OTHER_PARTS[tower]:
        if getattr(model, part, None) is not None:
            setattr(model, part, None)
    tokenizer = _or_model_error(name, lambda: open_clip.get_tokenizer(source)) if tower != "image" else None
    return LoadedTower(
        model=model,
        tokenizer=tokenizer,
        info=info,
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        weights=file,
        files=tuple(path for path in (file, *(sorted(folder.glob("*.json")) if folder else ())) if path is not None),
    )


def _weights_in(folder: Path) -> Path | None:
    """Return the file of weights that open_clip takes in a folder."""
    files = sorted(folder.glob(f"*{weights.SAFETENSORS}"))
    preferred = (file for name in _WEIGHTS for file in files if file.stem == name)
    return next(preferred, files[0] if len(files) == 1 else None)


def _load_folder(name: str, folder: Path) -> tuple[Any, str, dict[str, Any]]:
    config = folder / CONFIG
    try:
        text_cfg = json.loads(config.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(
            f'model "{name}": {config} cannot be used ({short_reason(error)})',
            "point model.name at a folder that open_clip wrote, with open_clip_config.json and its weights",
        ) from error
    weights.check_folder(name, folder)
    overrides: dict[str, Any] = {}
    if _is_inside(folder, text_cfg.get("hf_model_name", "")):
        # A Hugging Face text tower names its own configuration; "." means this folder, wherever it is installed.
        here = str((folder / text_cfg["hf_model_name"]).resolve())
        overrides["text_cfg"] = {**text_cfg, "hf_model_name": here, "hf_model_pretrained": False}
    source = f"{_LOCAL_PREFIX}{folder}"
    model = _or_model_error(name, lambda: open_clip.create_model(source, require_pretrained=True, **overrides))
    return model, source, text_cfg


def _is_inside(folder: Path, hf_model_name: str) -> bool:
    return hf_model_name.startswith(".") and (folder / hf_model_name).exists()


def _load_named(name: str, pretrained: str) -> tuple[Any, dict[str, Any], Path]:
    place = hub_weights(name, pretrained)
    if place is None:
        weights.check_file(name, Path(pretrained))
    text_cfg = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    model, file = _or_model_error(name, lambda: _create(name, pretrained, place))
    return model, text_cfg, file


def _named_source(name: str, pretrained: str) -> str:
    if Path(pretrained).is_file():
        return pretrained
    hub = str((open_clip.get_pretrained_cfg(name, pretrained) or {}).get("hf_hub") or "").strip("/")
    return f"{hub or pretrained} in {huggingface_hub.constants.HF_HUB_CACHE}"


def _create(name: str, pretrained: str, place: tuple[str, str] | None) -> tuple[Any, Path]:
    # The files were downloaded before, by a worker of its own; HF_HUB_OFFLINE is set in this one.
    file = Path(hf_hub_download(*place)) if place is not None else Path(pretrained)
    return open_clip.create_model(name, pretrained, require_pretrained=True), file


def _or_model_error(name: str, make: Any) -> Any:
    try:
        return make()
    except ModelUnavailableError:
        raise
    except Exception as error:
        raise ModelUnavailableError(
            f'model "{name}" cannot be loaded ({short_reason(error)})',
            'set model.name to "mini", to a known name, or to "local-dir:/path" with complete weights; those of the '
            "hub are checked, and fetched again where they are damaged",
        ) from error


def _digest(model: torch.nn.Module) -> str:
    """Return a digest of all weights; it does not depend on their file or format.

    Earlier versions moved the statistics of batch norms before the model was used. Vectors of such a model are not
    those of today, so its digest is another one.
    """
    digest = hashlib.sha256()
    if _output_dim(model) is None and any(isinstance(part, _BatchNorm) for part in model.modules()):
        digest.update(b"batch norms as they were trained")
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _output_dim(model: Any) -> int | None:
    output = getattr(model.visual, "output_dim", None)
    return output if isinstance(output, int) else None


def _dim(model: Any) -> int:
    if (dim := _output_dim(model)) is not None:
        return dim
    size = open_clip.get_model_preprocess_cfg(model)["size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.inference_mode():
        return int(model.encode_image(torch.zeros(1, 3, height, width)).shape[-1])


def _preprocess(cfg: dict[str, Any]) -> Preprocess:
    size: int | Sequence[int] = cfg["size"]
    height, width = (size, size) if isinstance(size, int) else (size[0], size[1])
    return Preprocess(
        width=width,
        height=height,
        mode=cfg.get("resize_mode") or "shortest",
        interpolation="bilinear" if cfg.get("interpolation") == "bilinear" else "bicubic",
        fill=int(cfg.get("fill_color") or 0),
    )


def _is_multilingual(name: str, text_cfg: dict[str, Any]) -> bool:
    names = (name, str(text_cfg.get("hf_model_name", "")), str(text_cfg.get("hf_tokenizer_name", "")))
    return any(_MULTILINGUAL.search(text) for text in names)
