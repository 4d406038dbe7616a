"""Fixtures of the GPU tests: a CUDA device or a reason to skip, and the bundled model on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.photos import Photos
from phsearch.adapters.images import PillowDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.adapters.clip import OpenClipImageTower
    from phsearch.domain.types import Pixels

DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What a driver leaves behind: on Linux, under WSL, and for the AMD cards that torch calls "cuda", too."""


@pytest.fixture(scope="session")
def cuda() -> Any:
    """Return torch if it has a CUDA device. Otherwise skip the test, mostly without the seconds of the import."""
    if not any(Path(device).exists() for device in DEVICES):
        pytest.skip(f"needs a CUDA device: there is none of {', '.join(DEVICES)}")
    import torch  # noqa: PLC0415 - seconds, and only if there is a device

    if not torch.cuda.is_available():
        pytest.skip(f"needs a CUDA device: torch {torch.__version__} sees none")
    return torch


@pytest.fixture(scope="session")
def tower(cuda: Any) -> Callable[..., OpenClipImageTower]:
    """Return a function that loads the bundled image tower: (device, precision, batch_size, gpu_memory_mb)."""
    from phsearch.adapters import clip  # noqa: PLC0415 - see cuda

    assert cuda is not None

    def make(device: str, precision: str, batch_size: int = 0, gpu_memory_mb: int = 0) -> OpenClipImageTower:
        bundle = clip.load_tower("mini", "", "image")
        return clip.OpenClipImageTower(
            bundle, device=device, precision=precision, batch_size=batch_size, gpu_memory_mb=gpu_memory_mb
        )

    return make


@pytest.fixture(scope="session")
def pixels(cuda: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    """Return real photos, decoded for the bundled model."""
    from phsearch.adapters import clip  # noqa: PLC0415 - see cuda

    assert cuda is not None
    preprocess = clip.load_tower("mini", "", "image").info.preprocess
    decoder = PillowDecoder(250_000_000)
    photos = Photos(tmp_path_factory.mktemp("photos")).small(192)
    return [decoder.decode(str(path), preprocess).pixels for path in photos]
