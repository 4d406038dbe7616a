"""Embeds photos and texts with the product's own decoder and towers, each only once: vectors are kept in a folder."""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import RuntimePlan
from phsearch.model_files import BUNDLED
from phsearch.service.workers.command import WorkerSetup
from phsearch.worker.load import load_image_tower, load_text_tower

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phsearch.domain.types import ModelInfo, Vectors

_BATCH = 16
_TEXTS = 64
_MAX_PIXELS = 250_000_000


class Embedder:
    """One model, by its name and weights as in the settings; `folder` keeps the vectors."""

    def __init__(self, name: str, pretrained: str, folder: Path) -> None:
        self.name = f"{name}/{pretrained}" if pretrained else name
        self._model = (name, pretrained)
        self._folder = folder
        self._towers: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def identity(self) -> str:
        """The digest of the weights."""
        return self.info.identity.weights

    @property
    def logit_scale(self) -> float:
        """The factor of the model's cosines."""
        return self.info.logit_scale

    def photos(self, paths: Sequence[Path]) -> Vectors:
        """Return [n, dim] unit rows."""
        return self._kept("photos", [f"{path}:{path.stat().st_size}" for path in paths], lambda: self._look(paths))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Return [n, dim] unit rows."""
        return self._kept("texts", texts, lambda: self._read(texts))

    def _kept(self, kind: str, keys: Sequence[str], make: Any) -> Vectors:
        digest = hashlib.sha256("\n".join([kind, self.identity, *keys]).encode()).hexdigest()[:16]
        file = self._folder / f"{kind}-{digest}.npy"
        if not file.exists():
            np.save(file.with_suffix(".part.npy"), make())
            file.with_suffix(".part.npy").replace(file)
        vectors: Vectors = np.load(file, allow_pickle=False)
        return vectors

    @property
    def info(self) -> ModelInfo:
        """What is known of the model."""
        info: ModelInfo = self._tower("text").info
        return info

    def _tower(self, kind: Literal["image", "text"]) -> Any:
        """Return a tower as the workers run it: the bundled model without torch."""
        if kind not in self._towers:
            bundled = BUNDLED.get(self._model[0])
            plan = RuntimePlan(device="auto")
            if bundled is not None:
                plan = RuntimePlan.plain(str(bundled))
            load = load_image_tower if kind == "image" else load_text_tower
            name, pretrained = self._model
            setup = WorkerSetup(tower=kind, name=name, pretrained=pretrained, batch_size=_BATCH, plan=plan)
            self._towers[kind] = load(setup)
        return self._towers[kind]

    def _look(self, paths: Sequence[Path]) -> Vectors:
        tower = self._tower("image")
        decoder = PillowDecoder(_MAX_PIXELS)
        done = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(paths), _BATCH):
                batch = pool.map(
                    lambda path: decoder.decode(str(path), tower.info.preprocess), paths[start : start + _BATCH]
                )
                done.append(tower.embed([decoded.pixels for decoded in batch]))
                if sys.stderr.isatty():
                    print(f"\r{start + len(done[-1]):,} of {len(paths):,} photos ", end="", file=sys.stderr, flush=True)
        return np.concatenate(done)

    def _read(self, texts: Sequence[str]) -> Vectors:
        tower = self._tower("text")
        return np.concatenate([tower.embed(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)])
