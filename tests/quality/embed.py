"""Embeds photos and texts with the product's own decoder and towers, each only once: vectors are kept in a folder."""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from phsearch.adapters import clip
from phsearch.adapters.images import PillowDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phsearch.domain.types import Vectors

_BATCH = 16
_TEXTS = 64
_MAX_PIXELS = 250_000_000


class Embedder:
    """One model, by its name and weights as in the settings; `folder` keeps the vectors."""

    def __init__(self, name: str, pretrained: str, folder: Path) -> None:
        self.name = f"{name}/{pretrained}" if pretrained else name
        self._model = (name, pretrained)
        self._folder = folder
        self._bundles: dict[str, Any] = {}
        self._towers: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def identity(self) -> str:
        """The digest of the weights."""
        return str(self._bundle("text").identity.weights)

    @property
    def logit_scale(self) -> float:
        """The factor of the model's cosines."""
        return float(self._bundle("text").model.logit_scale.exp())

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

    def _bundle(self, tower: Any) -> Any:
        if tower not in self._bundles:
            self._bundles[tower] = clip.load_tower(*self._model, tower)
        return self._bundles[tower]

    def _look(self, paths: Sequence[Path]) -> Vectors:
        bundle = self._bundle("image")
        tower = self._towers.get("image") or clip.OpenClipImageTower(bundle, device="auto", precision="auto")
        self._towers["image"] = tower
        decoder = PillowDecoder(_MAX_PIXELS)
        done = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(paths), _BATCH):
                batch = pool.map(
                    lambda path: decoder.decode(str(path), bundle.preprocess), paths[start : start + _BATCH]
                )
                done.append(tower.embed([decoded.pixels for decoded in batch]))
                if sys.stderr.isatty():
                    print(f"\r{start + len(done[-1]):,} of {len(paths):,} photos ", end="", file=sys.stderr, flush=True)
        return np.concatenate(done)

    def _read(self, texts: Sequence[str]) -> Vectors:
        tower = self._towers.get("text") or clip.OpenClipTextTower(self._bundle("text"), device="cpu", precision="auto")
        self._towers["text"] = tower
        return np.concatenate([tower.embed(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)])
