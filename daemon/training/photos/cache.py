"""The output of the frozen lower half of the image tower, computed once.

The lower half (stem and the first five stages) takes about half of the time and
learns almost nothing from six thousand photos.  Its output for a few
views of every photo is kept on disk as float16; training reads it from there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import openvino
import torch

from training.photos import augment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from training.kinds import Model

    Source = Callable[[], Image.Image]

LOWER_STAGES = 5
BATCH = 32
PARTS = ("middle", "pooled", "started")


@dataclass(frozen=True)
class View:
    """One view of every photo: the activations in the middle, and the pooled features at the end.

    `pooled` are those of the classifier, `started` those of the tower that training starts from.
    """

    middle: np.ndarray
    pooled: Tensor
    started: Tensor


def lower(trunk: Model, images: Tensor) -> Tensor:
    """Return the output of the stem and the first stages of an EfficientNet."""
    x = trunk.bn1(trunk.conv_stem(images))
    for stage in trunk.blocks[:LOWER_STAGES]:
        x = stage(x)
    activations: Tensor = x
    return activations


def upper(trunk: Model, middle: Tensor) -> Tensor:
    """Return the output of the remaining stages, the pooled feature."""
    x = middle
    for stage in trunk.blocks[LOWER_STAGES:]:
        x = stage(x)
    pooled: Tensor = trunk.global_pool(trunk.bn2(trunk.conv_head(x)))
    return pooled


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Seen(torch.nn.Module):
    """The lower half of a trunk, its own upper half, and that of the trunk that training starts from."""

    def __init__(self, trunk: Model, started: Model) -> None:
        super().__init__()
        self.trunk, self.started = trunk, started

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the activations in the middle, and the two pooled features."""
        middle = lower(self.trunk, images)
        return middle, upper(self.trunk, middle), upper(self.started, middle)


def runner(trunk: Model, started: Model, size: int) -> Callable[[Tensor], tuple[np.ndarray, ...]]:
    """Return what runs both trunks on a batch: torch on a GPU, else OpenVINO, which needs half of the time there."""
    seen: Model = Seen(trunk, started).eval()
    if device().type == "cuda":
        seen = seen.to(device(), torch.bfloat16, memory_format=torch.channels_last)

        def on_gpu(images: Tensor) -> tuple[np.ndarray, ...]:
            there = images.to(device(), torch.bfloat16, memory_format=torch.channels_last)
            return tuple(part.half().cpu().numpy() for part in seen(there))

        return on_gpu
    example = torch.zeros(1, 3, size, size)
    graph = openvino.convert_model(seen, example_input=example, input=[(-1, 3, size, size)])
    request = openvino.compile_model(graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()

    def on_processor(images: Tensor) -> tuple[np.ndarray, ...]:
        return tuple(part.astype(np.float16) for part in request.infer([images.numpy()]).to_tuple())

    return on_processor


@torch.inference_mode()
def look(
    run: Callable[[Tensor], tuple[np.ndarray, ...]], sources: Sequence[Source], view: augment.View, seed: int
) -> list[np.ndarray]:
    """Run one view of every picture; a thread decodes in advance."""
    torch.manual_seed(seed)

    def batch(start: int) -> Tensor:
        pictures = [view(source()) for source in sources[start : start + BATCH]]
        return torch.stack([augment.to_tensor(picture) for picture in pictures])

    parts = []
    with ThreadPoolExecutor(1) as decoder:
        pending = decoder.submit(batch, 0)
        for start in range(0, len(sources), BATCH):
            images = pending.result()
            if start + BATCH < len(sources):
                pending = decoder.submit(batch, start + BATCH)
            parts.append(run(images))
    return [np.concatenate(output) for output in zip(*parts, strict=True)]


class Cache:
    """A folder of views; each is a few files, so an interrupted run continues where it stopped."""

    def __init__(self, folder: Path, *, trunk: Model, started: Model, size: int) -> None:
        """Both trunks have the same lower half; every view has ``size`` pixels."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._trunk, self._started, self._size = trunk, started, size

    def view(self, name: str, sources: Sequence[Source], view: augment.View, seed: int = 0) -> View:
        """Return a stored view, computed first if it is missing; its large part stays on disk until it is used."""
        files = [self.folder / f"{part}-{name}.npy" for part in PARTS]
        if not files[-1].exists():
            for file, values in zip(files, look(self._run, sources, view, seed), strict=True):
                np.save(file, values)
            print(f"view {name}: {len(sources)} pictures", flush=True)
        middle, pooled, started = files
        return View(
            middle=np.load(middle, mmap_mode="r"),
            pooled=torch.from_numpy(np.load(pooled)).float(),
            started=torch.from_numpy(np.load(started)).float(),
        )

    @cached_property
    def _run(self) -> Callable[[Tensor], tuple[np.ndarray, ...]]:
        return runner(self._trunk, self._started, self._size)
