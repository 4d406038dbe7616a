"""The expected content of the index, computed without it: list the disk, read each file, embed it again."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phsearch.adapters.images import PillowDecoder
from support.bundled import bundled_image_tower
from torture.photos import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phsearch.domain.types import Pixels, Vectors
    from torture.index.table import Row

SUFFIXES = (".jpg", ".png", ".webp")
_SAME = 0.99
_BATCH = 16


class Model(Protocol):
    """Embeds photo files; a wrong photo must be nearer by `margin` to count as nearer."""

    margin: float

    def embed(self, paths: Sequence[Path]) -> Vectors:
        """Return unit vectors, [n, dim]."""


class ColourModel:
    """Computes the vectors of the colour worker."""

    margin = 1e-5

    def embed(self, paths: Sequence[Path]) -> Vectors:
        """Return unit vectors, [n, 4]."""
        from support.workers import colour  # noqa: PLC0415 - only if it is the model

        decoder = PillowDecoder(100_000_000)
        pixels = [decoder.decode(str(path), colour.PREPROCESS).pixels for path in paths]
        return np.stack([colour.photo_vector(each) for each in pixels])


class ClipModel:
    """The real model in this process, in full precision, as set for the daemon."""

    margin = 1e-3

    def __init__(self, name: str) -> None:
        self._tower = bundled_image_tower(name)
        self._preprocess = self._tower.info.preprocess

    def embed(self, paths: Sequence[Path]) -> Vectors:
        """Return unit vectors, [n, dim]."""
        decoder = PillowDecoder(100_000_000)
        done = []
        for start in range(0, len(paths), _BATCH):
            pixels: list[Pixels] = [
                decoder.decode(str(path), self._preprocess).pixels for path in paths[start : start + _BATCH]
            ]
            done.append(self._tower.embed(pixels))
        return np.concatenate(done)


@dataclass
class Verdict:
    """The faults of an index, by path."""

    photos: int = 0
    contents: int = 0
    lost: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lowest: float = 1.0

    @property
    def faults(self) -> list[str]:
        """All faults, in words."""
        kinds = ("lost", "ghosts", "duplicates", "stale", "wrong")
        return [f"{kind}: {line}" for kind in kinds for line in getattr(self, kind)]


def photos_on_disk(roots: Sequence[Path]) -> Iterator[Path]:
    """Yield every photo under the roots."""
    for root in roots:
        for folder, _, names in os.walk(root):
            yield from (Path(folder) / name for name in names if name.endswith(SUFFIXES) and not name.startswith("."))


def compare_index(rows: Sequence[Row], vectors: Vectors, roots: Sequence[Path], model: Model) -> Verdict:
    """Compare an index with the disk, which must not change meanwhile."""
    paths = {str(path): digest(path) for path in photos_on_disk(roots)}
    count = Counter(row.path for row in rows)
    verdict = Verdict(photos=len(paths), contents=len(set(paths.values())))
    verdict.lost = sorted(path for path in paths if path not in count)
    verdict.ghosts = sorted(path for path in count if path not in paths)
    verdict.duplicates = sorted(path for path, times in count.items() if times > 1)
    truth = _truth(paths, model)
    everything = np.stack(list(truth.values()))
    for row, vector in zip(rows, vectors, strict=True):
        if row.path not in paths:
            continue
        status = os.stat(row.path)
        if (row.size, row.mtime_ns, row.digest) != (status.st_size, status.st_mtime_ns, paths[row.path]):
            verdict.stale.append(row.path)
        unit = vector / np.linalg.norm(vector)
        own = float(truth[paths[row.path]] @ unit)
        best = float((everything @ unit).max())
        verdict.lowest = min(verdict.lowest, own)
        if not own >= max(_SAME, best - model.margin):
            verdict.wrong.append(f"{row.path} (cosine {own:.4f} with its own, {best:.4f} with the nearest photo)")
    return verdict


def _truth(paths: dict[str, bytes], model: Model) -> dict[bytes, Vectors]:
    distinct = {key: Path(path) for path, key in paths.items()}
    return dict(zip(distinct, model.embed(list(distinct.values())), strict=True))
