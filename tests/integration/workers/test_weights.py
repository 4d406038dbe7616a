"""Weights are checked before they are loaded, and a pickle is never loaded."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import phsearch
from phsearch.domain.model.catalog import CATALOG

MINI = Path(phsearch.__file__).parent / "models" / "mini"

SCRIPT = """
import dataclasses, pathlib, shutil, sys, tempfile
from phsearch.domain.model.catalog import CATALOG
from phsearch.adapters.clip import loader, presets
from phsearch.errors import ModelUnavailableError
import open_clip, torch

def said(act):
    try:
        act()
    except ModelUnavailableError as error:
        return error.sentence()
    raise SystemExit("nothing was raised")

folder = pathlib.Path(tempfile.mkdtemp()) / "mini"
shutil.copytree(loader.BUNDLED["mini"], folder)
loader.BUNDLED["mini"] = folder
file = folder / "tokenizer.json"
file.write_bytes(file.read_bytes() + b" ")
print(said(lambda: loader.load_tower("mini", "", "text")))
file.unlink()
print(said(lambda: loader.load_tower("mini", "", "text")))
print(said(lambda: loader.load_tower("ViT-B-32", __file__, "text")))
print(said(lambda: torch.load("anything")))

print(presets.hub_weights("ViT-B-32", "laion2b_s34b_b79k"))
print(presets.hub_weights("ViTamin-S", "datacomp1b"))
print(said(lambda: presets.hub_weights(" vit_b/32", "laion2b_s34b_b79k")))
print(said(lambda: presets.hub_weights("ViT-B-32", "Laion2B-s34b-b79k")))
print(said(lambda: presets.hub_weights("ViT-B-32", "mine")))
for each in CATALOG[1:]:
    dim = open_clip.get_model_config(each.model.name)["embed_dim"]
    print(presets.hub_weights(*dataclasses.astuple(each.model)), dim)
print(sum(not cfg.get("hf_hub") for tags in open_clip.pretrained._PRETRAINED.values() for cfg in tags.values()))
"""


def test_the_list_of_sums_names_every_file_of_the_bundled_model_that_is_loaded() -> None:
    lines = (MINI / "SHA256SUMS").read_text().splitlines()
    listed = {file: wanted for wanted, _, file in (line.partition("  ") for line in lines)}
    loaded = {file.name for file in MINI.iterdir()} - {"README.md", "SHA256SUMS", "quality.png"}
    assert listed == {name: hashlib.sha256((MINI / name).read_bytes()).hexdigest() for name in loaded}


def test_damaged_files_pickles_and_unknown_names_are_refused_with_a_remedy(tmp_path: Path) -> None:
    script = tmp_path / "weights.bin"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    damaged, missing, file, anything, usual, named, near, tag, tags, *presets, without = done.stdout.splitlines()
    assert "tokenizer.json has not the sha256 it should have: install phsearch again" in damaged
    assert "cannot be checked" in missing
    assert "weights.bin is not safetensors" in file
    assert "convert it to safetensors" in file
    assert "are a pickle, which can run programs" in anything
    assert usual == "('laion/CLIP-ViT-B-32-laion2B-s34B-b79K', 'open_clip_model.safetensors')"
    assert named == "('jienengchen/ViTamin-S', 'pytorch_model.safetensors')"
    assert "a known name, e.g. ViT-B-32;" in near
    assert "take one of laion2b_s34b_b79k, or" in tag
    assert tags.count(",") <= 8, "not twenty tags in one line"
    assert len(presets) == len(CATALOG) - 1
    for found, each in zip(presets, CATALOG[1:], strict=True):
        assert "'open_clip_model.safetensors')" in found
        assert found.endswith(f" {each.dim}")
    assert without == "0", "every preset of open_clip lies on the hub, where a safetensors may be beside it"
