"""The towers as graphs: the vectors of torch, whatever the batch, and what happens when memory or a graph runs out."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch.adapters import openvino
from phsearch.domain.types import RuntimePlan
from phsearch.errors import GraphError, ModelUnavailableError
from phsearch.model_files import BUNDLED, read_manifest
from support.bundled import bundled_plan

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import Pixels, Vectors

SIZE = 288
SAME = 0.9999


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    return list(np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, 3), np.uint8))


@pytest.fixture(scope="module")
def tower() -> openvino.GraphImageTower:
    return openvino.load_image_tower(bundled_plan())


def lowest_cosine(ours: Vectors, theirs: Vectors) -> float:
    return float((ours * theirs).sum(axis=1).min())


def test_a_photo_has_the_same_vector_alone_and_in_any_batch(
    tower: openvino.GraphImageTower, pictures: list[Pixels]
) -> None:
    alone = np.concatenate([tower.embed([picture]) for picture in pictures])
    assert np.allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    for size in (2, 3, 7):
        other = openvino.load_image_tower(bundled_plan(), batch_size=size)
        assert lowest_cosine(other.embed(pictures), alone) >= SAME
    assert lowest_cosine(tower.embed(pictures), alone) >= SAME


def test_a_query_has_the_same_vector_alone_and_beside_longer_ones() -> None:
    tower = openvino.load_text_tower(bundled_plan())
    texts = ["dog", "two old men who play chess in the park on a sunny afternoon in late summer", "a red bicycle"]
    alone = np.concatenate([tower.embed([text]) for text in texts])
    assert lowest_cosine(tower.embed(texts), alone) >= SAME


class Memory:
    """A model that takes at most `fits` pictures; a picture's vector is an angle by its first pixel."""

    def __init__(self, fits: int, error: Exception) -> None:
        self.fits, self.error = fits, error
        self.batches: list[int] = []

    def __call__(self, inputs: dict[int, Any]) -> list[Any]:
        values = inputs[0]
        self.batches.append(len(values))
        if len(values) > self.fits:
            raise self.error
        angle = values[:, 0, 0, 0] / 100
        return [np.stack([np.cos(angle), np.sin(angle)], axis=1)]


def limited(fits: int, error: Exception) -> tuple[openvino.GraphImageTower, Memory]:
    memory = Memory(fits, error)
    info = read_manifest(BUNDLED["mini"]).info
    return openvino.GraphImageTower(model=memory, info=info, plan=bundled_plan(), batch_size=16), memory


def small(count: int) -> list[Pixels]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("Failed to allocate")])
def test_when_memory_runs_out_fewer_are_embedded_at_once_and_none_is_lost_or_swapped(error: Exception) -> None:
    tower, memory = limited(5, error)
    vectors = tower.embed(small(40))
    assert [round(float(angle) * 100) for angle in np.arctan2(vectors[:, 1], vectors[:, 0])] == list(range(40))
    assert memory.batches == [16, 8, *[4] * 10]
    memory.batches.clear()
    tower.embed(small(9))
    assert memory.batches == [4, 4, 1], "what fits is remembered"


def test_a_single_picture_that_does_not_fit_and_any_other_error_are_raised() -> None:
    tower, memory = limited(0, MemoryError())
    with pytest.raises(MemoryError, match="single picture"):
        tower.embed(small(4))
    assert memory.batches == [4, 2, 1]
    tower, memory = limited(0, RuntimeError("a\nCheck failed at b.cpp:1:\nthe shapes do not fit"))
    with pytest.raises(RuntimeError, match=r"^the shapes do not fit$"):
        tower.embed(small(4))
    assert memory.batches == [4]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with mini's graphs in which a test may break things; no list of checksums says so."""
    folder = tmp_path / "graphs"
    shutil.copytree(BUNDLED["mini"], folder)
    return folder


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("graph cut short", "."),
        ("graph of the other tower", "another model|shape|input|element type"),
        ("graph missing", "image.onnx cannot be read"),
        ("weights cut short", "invalid external data|size|file"),
        ("weights missing", "invalid external data"),
        ("manifest of the future", "of another version"),
        ("manifest cut short", "damaged"),
        ("no manifest", "there are none yet"),
    ],
)
def test_damaged_files_are_one_sentence_and_left_to_another_runtime(copy: Path, damage: str, said: str) -> None:
    graph, weights, manifest = copy / "image.onnx", copy / "open_clip_model.safetensors", copy / "graphs.json"
    match damage:
        case "graph cut short":
            graph.write_bytes(graph.read_bytes()[:100_000])
        case "graph of the other tower":
            shutil.copy(copy / "text.onnx", graph)
        case "graph missing":
            graph.unlink()
        case "weights cut short":
            os.truncate(weights, 1_000_000)
        case "weights missing":
            weights.unlink()
        case "manifest of the future":
            manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
        case "manifest cut short":
            manifest.write_text(manifest.read_text()[:300])
        case _:
            manifest.unlink()
    plan = dataclasses.replace(bundled_plan(), folder=str(copy))
    with pytest.raises((GraphError, RuntimeError), match=said) as caught:
        openvino.load_image_tower(plan).embed([np.zeros((SIZE, SIZE, 3), np.uint8)])
    assert "\n" not in str(caught.value)


def test_damaged_files_of_the_bundled_model_are_an_error_for_the_owner(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUNDLED, "mini", copy)
    (copy / "image.onnx").write_bytes(b"other")
    with pytest.raises(ModelUnavailableError, match=r"image\.onnx has not the sha256 it should have"):
        openvino.load_image_tower(dataclasses.replace(bundled_plan(), folder=str(copy)))


def test_a_compiled_graph_is_private_and_used_again(tmp_path: Path, pictures: list[Pixels]) -> None:
    cache = tmp_path / "compiled"
    cache.mkdir(mode=0o700)
    plan = dataclasses.replace(bundled_plan(), cache=str(cache))
    first = openvino.load_image_tower(plan).embed(pictures)
    (blob,) = cache.iterdir()
    assert stat.S_IMODE(blob.stat().st_mode) == 0o600
    made = blob.stat().st_mtime_ns
    assert np.allclose(openvino.load_image_tower(plan).embed(pictures), first)
    assert blob.stat().st_mtime_ns == made


LOAD = """
import dataclasses, sys
import numpy as np
from phsearch.adapters import openvino
from support.bundled import bundled_plan
plan = dataclasses.replace(bundled_plan(), cache=sys.argv[1])
print(openvino.load_image_tower(plan).embed([np.zeros((288, 288, 3), np.uint8)]).shape)
"""


@pytest.mark.parametrize("damage", ["cut short", "emptied", "overwritten"])
def test_a_damaged_cache_costs_a_start_at_most(tmp_path: Path, damage: str) -> None:
    run = (sys.executable, "-c", LOAD, str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(run, env=env, check=True, capture_output=True)
    (blob,) = tmp_path.iterdir()
    blob.chmod(0o600)
    match damage:
        case "cut short":
            os.truncate(blob, blob.stat().st_size // 2)
        case "emptied":
            os.truncate(blob, 0)
        case _:
            blob.write_bytes(random.Random(1).randbytes(blob.stat().st_size))
    done = subprocess.run(run, env=env, check=False, capture_output=True, text=True)
    # It either works, or ends; then the daemon deletes the cache and starts the worker again.
    assert done.returncode or done.stdout.strip() == "(1, 384)"
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    assert subprocess.run(run, env=env, check=True, capture_output=True, text=True).stdout.strip() == "(1, 384)"


@pytest.mark.parametrize("cache", ["missing/folder", "a file", "/proc/cannot/be/made"])
def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, cache: str) -> None:
    (tmp_path / "a file").write_text("")
    plan = dataclasses.replace(bundled_plan(), cache=str(tmp_path / cache))
    assert openvino.load_image_tower(plan).embed([np.zeros((SIZE, SIZE, 3), np.uint8)]).shape == (1, 384)


@pytest.mark.parametrize("level", ["SSE41", "AVX2", "AVX512_CORE"])
def test_an_old_processor_gives_the_same_vectors(tmp_path: Path, level: str) -> None:
    script = LOAD.replace(".shape", "[0, :3].round(4).tolist()")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = (sys.executable, "-c", script, str(tmp_path))
    usual = subprocess.run(run, env=env, check=True, capture_output=True, text=True).stdout
    limits = {"ONEDNN_MAX_CPU_ISA": level, "DNNL_MAX_CPU_ISA": level}
    old = subprocess.run(run, env=env | limits, check=True, capture_output=True, text=True).stdout
    assert np.allclose(eval(old), eval(usual), atol=2e-4)


def test_a_plan_survives_its_way_to_the_worker() -> None:
    plan = bundled_plan()
    assert RuntimePlan.of(dataclasses.asdict(plan)) == plan
