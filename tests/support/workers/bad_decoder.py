"""The real worker with its threads and batches; its decoder misbehaves at some file names, and its model is a colour.

The model is not the point here, and without torch a worker starts in a fraction of a second.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from phsearch.adapters import images
from phsearch.domain.types import DeviceChoice, ModelIdentity, ModelInfo
from phsearch.errors import UnreadableImageError
from phsearch.worker import __main__ as worker
from support.hostile.sandbox_escapes import pry
from support.workers.colour import PREPROCESS, misbehave, photo_vector, text_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.ports import Decoded
    from phsearch.domain.types import Pixels, Preprocess, Vectors


class HostileDecoder(images.PillowDecoder):
    """Reads names first."""

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        misbehave(path)
        if "pries" in path:
            raise UnreadableImageError(f"got away with: {', '.join(pry(path)) or 'nothing'}")
        return super().decode(path, preprocess, descriptor)


class ColourTower:
    """Stands in for both towers."""

    device = "cpu"
    precision = "fp32"
    batch_size = 8
    device_choice = DeviceChoice("there is no model to run", "colours are few")

    runtime = "none"

    def __init__(self, loaded: ModelInfo, **_: object) -> None:
        self.info = loaded

    def embed(self, things: Sequence[Pixels] | Sequence[str]) -> Vectors:
        return np.stack([text_vector(thing) if isinstance(thing, str) else photo_vector(thing) for thing in things])


def load(name: str, _pretrained: str, _tower: str) -> Any:
    identity = ModelIdentity(name, "", "colours", "32", 4)
    return ModelInfo(identity=identity, preprocess=PREPROCESS, multilingual=False, source="here", logit_scale=100.0)


if __name__ == "__main__":
    images.PillowDecoder = HostileDecoder  # type: ignore[misc]  # the worker imports it from here
    clip: Any = types.ModuleType("phsearch.adapters.clip")
    clip.load_tower, clip.OpenClipImageTower, clip.OpenClipTextTower = load, ColourTower, ColourTower
    torch: Any = types.ModuleType("torch")
    torch.set_num_threads = int
    sys.modules |= {"phsearch.adapters.clip": clip, "torch": torch}
    import phsearch.adapters

    phsearch.adapters.clip = clip
    worker.main()
