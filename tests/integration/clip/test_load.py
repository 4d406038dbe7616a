"""A model that cannot be loaded is one sentence with a remedy, and no file of it is ever run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from phsearch.errors import ModelUnavailableError
from support import tiny_model
from support.lazy import LazyModule

if TYPE_CHECKING:
    from pathlib import Path

clip = LazyModule("phsearch.adapters.clip")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny model that can be loaded."""
    folder = tmp_path_factory.mktemp("models") / "whole"
    tiny_model.save(folder)
    return folder


@pytest.mark.parametrize(
    ("damage", "said", "remedy"),
    [
        ("no folder", "open_clip_config.json cannot be used", "point model.name"),
        ("no weights", "cannot be loaded", "model."),
        ("damaged weights", "cannot be loaded", "model."),
        ("pickled weights", "open_clip_pytorch_model.bin is a pickle", "convert it to safetensors"),
        ("pickle before safetensors", "weights are a pickle", "convert it to safetensors"),
        ("no weights chosen", "no weights are chosen", "take "),
    ],
)
def test_the_reason_and_what_to_do_are_said(whole: Path, tmp_path: Path, damage: str, said: str, remedy: str) -> None:
    model, name = tmp_path / "model", f"local-dir:{tmp_path / 'model'}"
    match damage:
        case "no weights" | "damaged weights" | "pickled weights" | "pickle before safetensors":
            model.mkdir()
            shutil.copy(whole / "open_clip_config.json", model)
            if damage == "damaged weights":
                (model / "open_clip_model.safetensors").write_bytes(b"not weights")
            if "pickle" in damage:
                (model / "open_clip_pytorch_model.bin").write_bytes(tiny_model.PICKLED % str(tmp_path / "ran").encode())
            if damage == "pickle before safetensors":
                shutil.copy(whole / "open_clip_model.safetensors", model / "other.safetensors")
        case "no weights chosen":
            name = "ViT-B-32"
    with pytest.raises(ModelUnavailableError) as caught:
        clip.load_tower(name, "", "both")
    assert said in str(caught.value)
    assert remedy in caught.value.hint
    assert "\n" not in caught.value.sentence()
    assert not (tmp_path / "ran").exists()
