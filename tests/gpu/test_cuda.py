"""The bundled model on a CUDA device: same results as on the CPU, running out of memory, releasing memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.photos import Photos
from phsearch.errors import ModelUnavailableError
from support.harness import NO_POWER_DAEMON, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.adapters.clip import OpenClipImageTower
    from phsearch.domain.types import Pixels, Vectors

    MakeTower = Callable[..., OpenClipImageTower]

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda")]

_SAME = 0.999
_CONTEXT = 100 << 20


@pytest.fixture(scope="module")
def reference(tower: MakeTower, pixels: list[Pixels]) -> Vectors:
    return tower("cpu", "fp32").embed(pixels)


def worst_cosine(ours: Vectors, theirs: Vectors) -> float:
    return float((ours * theirs).sum(axis=1).min())


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
def test_batches_on_the_device_mean_what_they_mean_on_the_cpu(
    tower: MakeTower, pixels: list[Pixels], reference: Vectors, precision: str
) -> None:
    if precision == "bf16":
        import torch  # noqa: PLC0415 - only where there is a device

        if not torch.cuda.is_bf16_supported(including_emulation=False):
            pytest.skip("this device has no bfloat16")
    vectors = tower("cuda", precision).embed(pixels)
    assert worst_cosine(vectors, reference) >= _SAME
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_left_to_itself_the_tower_takes_the_device_and_half_precision(tower: MakeTower, pixels: list[Pixels]) -> None:
    chosen = tower("auto", "auto")
    assert (chosen.device.partition(":")[0], chosen.precision, chosen.batch_size) == ("cuda", "fp16", 128)
    assert chosen.embed(pixels[:3]).shape[0] == 3


def test_a_photo_means_the_same_alone_and_in_a_batch(tower: MakeTower, pixels: list[Pixels]) -> None:
    half = tower("cuda", "fp16")
    alone = np.concatenate([half.embed([photo]) for photo in pixels[:8]])
    assert worst_cosine(alone, half.embed(pixels)[:8]) >= _SAME


def test_when_memory_runs_out_the_batch_is_halved_and_all_photos_are_embedded(
    cuda: Any, tower: MakeTower, pixels: list[Pixels], reference: Vectors
) -> None:
    batch = len(pixels)
    limited = tower("cuda", "fp16", batch)
    needs = {size: memory_for(cuda, limited, pixels[:size]) for size in (batch // 8, batch)}
    assert needs[batch // 8] < needs[batch]
    total = cuda.cuda.get_device_properties(0).total_memory
    cuda.cuda.empty_cache()
    cuda.cuda.set_per_process_memory_fraction((needs[batch // 8] + needs[batch]) / 2 / total)
    try:
        vectors = limited.embed(pixels)
        remembered = limited.batch_size
        assert batch // 8 <= remembered < batch
        limited.embed(pixels)
        assert limited.batch_size == remembered
    finally:
        cuda.cuda.set_per_process_memory_fraction(1.0)
    assert worst_cosine(vectors, reference) >= _SAME


def test_within_a_cap_all_photos_are_embedded_and_no_more_is_taken(
    cuda: Any, tower: MakeTower, pixels: list[Pixels], reference: Vectors
) -> None:
    limited = tower("cuda", "fp16", len(pixels))
    room = (memory_for(cuda, limited, pixels[: len(pixels) // 8]) + memory_for(cuda, limited, pixels)) // 2
    del limited
    cuda.cuda.empty_cache()
    try:
        capped = tower("cuda", "fp16", len(pixels), room >> 20)
        cuda.cuda.reset_peak_memory_stats()
        assert worst_cosine(capped.embed(pixels), reference) >= _SAME
        assert capped.batch_size < len(pixels)
        assert cuda.cuda.max_memory_reserved() <= room
    finally:
        cuda.cuda.set_per_process_memory_fraction(1.0)


def test_a_cap_that_is_too_small_for_the_model_is_said_so(cuda: Any, tower: MakeTower) -> None:
    cuda.cuda.empty_cache()
    try:
        with pytest.raises(ModelUnavailableError, match="does not fit into"):
            tower("cuda", "fp16", 0, 3)
    finally:
        cuda.cuda.set_per_process_memory_fraction(1.0)


def memory_for(cuda: Any, tower: OpenClipImageTower, pixels: list[Pixels]) -> int:
    """Return the bytes of device memory that this batch needs."""
    cuda.cuda.empty_cache()
    cuda.cuda.reset_peak_memory_stats()
    tower.embed(pixels)
    return int(cuda.cuda.max_memory_reserved())


def test_the_end_of_an_idle_worker_frees_the_device(cuda: Any, tmp_path: Path) -> None:
    def free() -> int:
        return int(cuda.cuda.mem_get_info()[0])

    cuda.cuda.empty_cache()
    before = free()
    photos = Photos(tmp_path / "made").small(64)
    with running(tmp_path / "home", NO_POWER_DAEMON, "[index]\nkeep_alive_seconds = 2\n") as daemon:
        for path in photos:
            path.rename(daemon.photos / path.name)
        wait_until(lambda: daemon.status()["photos"] == len(photos), "the photos are indexed", 120)
        status = daemon.status()
        assert status["model"]["image_worker"] == "running"
        assert re.fullmatch(r"cuda(:\d+)?", status["model"]["device"])
        assert before - free() > _CONTEXT
        wait_until(lambda: daemon.status()["model"]["image_worker"] == "idle", "the worker ends", 60)
        wait_until(lambda: before - free() < _CONTEXT, "the device is free again", 20)
        # It starts again when there is work.
        (again,) = Photos(tmp_path / "more").small(1)
        (daemon.photos / "again.jpg").write_bytes(again.read_bytes() + b"another")
        wait_until(lambda: daemon.status()["photos"] == len(photos) + 1, "the new photo is indexed", 120)
