"""Writes the trained model as a folder that open_clip loads by ``local-dir:``."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from training import towers
from training.photos import augment

if TYPE_CHECKING:
    from pathlib import Path

    from training.kinds import Model


READABLE = 0o644
WEIGHTS = "open_clip_model.safetensors"
SUMS = "SHA256SUMS"
TOKENIZER_FILES = ("tokenizer.json",)


def preprocess(size: int, resize_mode: str) -> dict[str, Any]:
    """Return the preprocessing of photos in open_clip's format."""
    return {
        "size": size,
        "mode": "RGB",
        "mean": [augment.MEAN] * 3,
        "std": [augment.STD] * 3,
        "interpolation": "bicubic",
        "resize_mode": resize_mode,
        "fill_color": 0,
    }


def export(model: Model, folder: Path, size: int, resize_mode: str) -> None:
    """Write config, tokenizer and float16 weights to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    model_cfg = copy.deepcopy(towers.MODEL_CFG)
    model_cfg["vision_cfg"]["image_size"] = size
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess(size, resize_mode)}
    _write(folder / "open_clip_config.json", config)
    _write(folder / "config.json", _text_config())
    for name in TOKENIZER_FILES:
        shutil.copyfile(towers.text_folder() / name, folder / name)
    _write(folder / "tokenizer_config.json", _tokenizer_config())
    weights = {
        name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else None)
        for name, tensor in model.state_dict().items()
    }
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(READABLE)
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """Write the sha256 of every loaded file: phsearch loads the bundled model only if they match."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.suffix not in {"", ".md", ".png"})
    sums = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / SUMS).write_text("".join(sums), encoding="ascii")


def _text_config() -> dict[str, Any]:
    source = (towers.text_folder() / "config.json").read_text(encoding="utf-8")
    config: dict[str, Any] = json.loads(source)
    config.pop("_name_or_path", None)
    return config


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": 512,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
