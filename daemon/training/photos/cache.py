"""The output of the frozen lower half of the image tower, computed once.

The lower half (stem and the first five stages) takes about half of the time and
learns almost nothing from six thousand photos.  Its output for a few
views of every photo is kept on disk as float16; training reads it from there.
Each view is a separate file, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
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


@torch.inference_mode()
def look(trunk: Model, sources: Sequence[Source], view: augment.View, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Run one view of every picture through the trunk; a thread decodes in advance."""
    where = next(trunk.parameters()).device
    middles, pooled = [], []
    torch.manual_seed(seed)

    def batch(start: int) -> Tensor:
        pictures = [view(source()) for source in sources[start : start + BATCH]]
        return torch.stack([augment.to_tensor(picture) for picture in pictures])

    starts = range(0, len(sources), BATCH)
    with ThreadPoolExecutor(1) as decoder:
        pending = decoder.submit(batch, 0)
        for start in starts:
            images = pending.result()
            if start + BATCH < len(sources):
                pending = decoder.submit(batch, start + BATCH)
            images = images.to(where, torch.bfloat16, memory_format=torch.channels_last)
            middle = lower(trunk, images)
            middles.append(middle.half().cpu().numpy())
            pooled.append(upper(trunk, middle).half().cpu().numpy())
    return np.concatenate(middles), np.concatenate(pooled)


def build(trunk: Model, sources: Sequence[Source], views: Sequence[augment.View], folder: Path) -> None:
    """Compute and store every view that is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    trunk = trunk.to(device(), torch.bfloat16, memory_format=torch.channels_last).eval()
    for number, view in enumerate(views):
        if _pooled_file(folder, number).exists():
            continue
        middle, pooled = look(trunk, sources, view, seed=number)
        np.save(folder / f"middle-{number}.npy", middle)
        np.save(_pooled_file(folder, number), pooled)
        print(f"view {number + 1} of {len(views)}: {len(pooled)} pictures", flush=True)


@torch.inference_mode()
def start(trunk: Model, views: int, folder: Path) -> None:
    """Compute and store what the upper half of another trunk makes of each view, where that is missing."""
    trunk = trunk.to(device(), torch.bfloat16, memory_format=torch.channels_last).eval()
    for number in range(views):
        out = _started_file(folder, number)
        if out.exists():
            continue
        middle = np.load(folder / f"middle-{number}.npy", mmap_mode="r")
        parts = []
        for first in range(0, len(middle), BATCH):
            part = torch.tensor(middle[first : first + BATCH], dtype=torch.bfloat16, device=device())
            parts.append(upper(trunk, part.to(memory_format=torch.channels_last)).half().cpu().numpy())
        np.save(out, np.concatenate(parts))
        print(f"view {number + 1} of {views}: where training starts", flush=True)


def read(folder: Path, number: int) -> View:
    """Return a stored view; its large part stays on disk until it is used."""
    pooled, started = (_pooled_file(folder, number), _started_file(folder, number))
    return View(
        middle=np.load(folder / f"middle-{number}.npy", mmap_mode="r"),
        pooled=torch.from_numpy(np.load(pooled)).float(),
        started=torch.from_numpy(np.load(started if started.exists() else pooled)).float(),
    )


def _pooled_file(folder: Path, number: int) -> Path:
    return folder / f"pooled-{number}.npy"


def _started_file(folder: Path, number: int) -> Path:
    return folder / f"started-{number}.npy"
