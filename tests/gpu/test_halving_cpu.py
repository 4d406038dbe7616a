"""Running out of memory, on any machine: with a model that refuses batches above a size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch import config
from phsearch.daemon import worker_commands
from phsearch.domain.types import ModelIdentity, ModelInfo, Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.adapters.clip import OpenClipImageTower
    from phsearch.domain.types import Pixels

    MakeTower = Callable[..., tuple[OpenClipImageTower, list[int]]]

_SIZE = 2
_CPU_SENTENCE = "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate"


@pytest.fixture(scope="module")
def make_tower() -> MakeTower:
    """Return a tower whose model takes at most `fits` pictures, and the list of the batches it was given."""
    import torch  # noqa: PLC0415 - it takes seconds, and only these tests need it

    from phsearch.adapters import clip  # noqa: PLC0415

    def make(fits: int, error: str = "OutOfMemoryError") -> tuple[OpenClipImageTower, list[int]]:
        problems = {
            "OutOfMemoryError": torch.OutOfMemoryError("CUDA out of memory"),
            "MemoryError": MemoryError(),
            "RuntimeError": RuntimeError(_CPU_SENTENCE),
            "another RuntimeError": RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        }
        batches: list[int] = []

        class Model(torch.nn.Module):
            def encode_image(self, values: torch.Tensor) -> torch.Tensor:
                batches.append(len(values))
                if len(values) > fits:
                    raise problems[error]
                # The vector of a picture is an angle by its first pixel, so that a wrong order is visible.
                angle = values[:, 0, 0, 0] * 255 / 100
                return torch.stack([angle.cos(), angle.sin()], dim=1)

        bundle = clip.LoadedTower(
            model=Model(),
            tokenizer=None,
            info=ModelInfo(
                identity=ModelIdentity("stub", "", "", "", 2),
                preprocess=Preprocess(_SIZE, _SIZE, "squash", "bilinear"),
                multilingual=False,
                source="",
                logit_scale=100.0,
            ),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            weights=None,
        )
        return clip.OpenClipImageTower(bundle, device="cpu", precision="fp32", batch_size=16), batches

    return make


def pictures(count: int) -> list[Pixels]:
    return [np.full((_SIZE, _SIZE, 3), number, np.uint8) for number in range(count)]


def angles(vectors: Any) -> list[int]:
    return [round(float(angle) * 100) for angle in np.arctan2(vectors[:, 1], vectors[:, 0])]


@pytest.mark.parametrize("error", ["OutOfMemoryError", "MemoryError", "RuntimeError"])
def test_a_batch_too_large_is_halved_until_it_fits_and_no_picture_is_lost_or_swapped(
    make_tower: MakeTower, error: str
) -> None:
    tower, batches = make_tower(5, error)
    assert angles(tower.embed(pictures(40))) == list(range(40))
    assert batches == [16, 8, *[4] * 10]


def test_the_size_that_fits_is_remembered(make_tower: MakeTower) -> None:
    tower, batches = make_tower(5)
    tower.embed(pictures(16))
    assert tower.batch_size == 4
    batches.clear()
    assert angles(tower.embed(pictures(9))) == list(range(9))
    assert batches == [4, 4, 1]


def test_a_short_batch_that_does_not_fit_is_halved_from_its_own_size(make_tower: MakeTower) -> None:
    tower, batches = make_tower(5)
    assert angles(tower.embed(pictures(7))) == list(range(7))
    assert batches == [7, 3, 3, 1]


def test_a_single_picture_that_does_not_fit_is_an_error(make_tower: MakeTower) -> None:
    tower, batches = make_tower(0)
    with pytest.raises(MemoryError, match="single picture"):
        tower.embed(pictures(4))
    assert batches == [4, 2, 1]


def test_an_error_that_is_not_about_memory_is_not_tried_again(make_tower: MakeTower) -> None:
    tower, batches = make_tower(5, "another RuntimeError")
    with pytest.raises(RuntimeError, match="shapes"):
        tower.embed(pictures(16))
    assert batches == [16]
    assert tower.batch_size == 16


@pytest.mark.parametrize(
    ("device", "megabytes", "told"),
    [("cuda:1", 2048, (0.25, 1)), ("cuda", 1024, (0.125, None)), ("cuda:0", 10**6, (1.0, 0))],
)
def test_the_cap_on_gpu_memory_is_handed_over_as_a_share_of_what_there_is(
    monkeypatch: pytest.MonkeyPatch, device: str, megabytes: int, told: tuple[float, int | None]
) -> None:
    import torch  # noqa: PLC0415 - see make_tower

    from phsearch.adapters.clip import device as devices  # noqa: PLC0415

    capped: list[tuple[float, int | None]] = []
    eight = SimpleNamespace(total_memory=8 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: eight)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *share: capped.append(share))
    devices.limit_gpu_memory(torch.device(device), megabytes)
    assert capped == [told]


def test_the_setting_reaches_the_worker() -> None:
    settings = config.Config(model=config.ModelConfig(gpu_memory_mb=700))
    commands = worker_commands.WorkerCommands(env={}, program=("worker",), planner=None)
    assert commands.index_worker(settings).setup.gpu_memory_mb == 700
