"""The resident matrix: every vector of the library in memory, ranked exactly.

A product of 100,000 x 384 takes about 10 ms, less than an approximate index saves, and a filter is just a mask that
loses nothing. Rows are float32 for speed, rounded through float16 so that a vector ranks the same before and after it
has been to the store. One thread at a time uses an index (the rank lane).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.domain.types import Vectors

_GROWTH = 1.5
_FIRST_ROWS = 256


class VectorIndex:
    """Path -> unit vector, and the ranking of all of them for a query."""

    def __init__(self) -> None:
        self._rows: Vectors = np.empty((0, 0), np.float32)
        self._paths: list[str] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def paths(self) -> list[str]:
        """Give the paths of all photos."""
        return self._paths.copy()

    def load(self, paths: Sequence[str], vectors: Vectors) -> None:
        """Replace everything by `paths` and their vectors, [n, dim]."""
        self._rows = rounded(vectors)
        self._paths = list(paths)
        self._row_of = {path: row for row, path in enumerate(self._paths)}

    def put(self, path: str, vector: Vectors) -> None:
        """Add or replace one photo's vector, [dim]."""
        row = self._row_of.get(path)
        if row is None:
            row = len(self._paths)
            self._reserve(row + 1, vector.shape[0])
            self._paths.append(path)
            self._row_of[path] = row
        self._rows[row] = rounded(vector)

    def put_all(self, paths: Sequence[str], vectors: Sequence[Vectors]) -> None:
        """Add or replace photos, each [dim]."""
        for path, vector in zip(paths, vectors, strict=True):
            self.put(path, vector)

    def remove_all(self, paths: Iterable[str]) -> None:
        """Take photos out."""
        for path in paths:
            self.remove(path)

    def remove(self, path: str) -> None:
        """Take a photo out; the last row moves into its place."""
        row = self._row_of.pop(path, None)
        if row is None:
            return
        last = len(self._paths) - 1
        if row != last:
            self._rows[row] = self._rows[last]
            self._paths[row] = self._paths[last]
            self._row_of[self._paths[row]] = row
        self._paths.pop()

    def rename(self, source: str, target: str) -> Vectors | None:
        """Give a photo's row another name, replacing what had it; gives a copy of its vector, [dim]."""
        if source not in self._row_of:
            return None
        if source != target:
            self.remove(target)
        row = self._row_of.pop(source)
        self._row_of[target] = row
        self._paths[row] = target
        return self.vector(target)

    def take(self, path: str) -> Vectors | None:
        """Remove a photo and give the vector it had, [dim]."""
        vector = self.vector(path)
        self.remove(path)
        return vector

    def vector(self, path: str) -> Vectors | None:
        """Give a copy of one photo's vector, [dim]."""
        row = self._row_of.get(path)
        if row is None:
            return None
        vector: Vectors = self._rows[row].copy()
        return vector

    def search(self, query: Vectors, limit: int, min_score: float | None = None) -> list[tuple[str, float]]:
        """Rank all photos by cosine with `query` ([dim], unit length), best first, ties by path."""
        count = len(self._paths)
        if count == 0:
            return []
        scores = self._scores(query)
        if min_score is not None:
            candidates = np.flatnonzero(scores >= min_score)
        elif limit < count:
            # All that reach the limit-th best score: a tie at the cut is then decided by path, not by row.
            cut = np.partition(scores, count - limit)[count - limit]
            candidates = np.flatnonzero(scores >= cut)
        else:
            candidates = np.arange(count)
        ranked = sorted(
            ((self._paths[row], float(scores[row])) for row in candidates), key=lambda hit: (-hit[1], hit[0])
        )
        return ranked[:limit]

    def rank_of(self, path: str, query: Vectors) -> tuple[int, float, int] | None:
        """Give (rank from 1, cosine, number of photos) of one photo as `search` ranks it; None where it is not here."""
        row = self._row_of.get(path)
        if row is None:
            return None
        scores = self._scores(query)
        ties = np.flatnonzero(scores == scores[row])
        above = int(np.count_nonzero(scores > scores[row])) + sum(self._paths[tie] < path for tie in ties)
        return above + 1, float(scores[row]), len(self._paths)

    def _scores(self, query: Vectors) -> Vectors:
        # Rounding to float16 leaves lengths a little off one; a cosine is never above it.
        scores: Vectors = np.clip(self._rows[: len(self._paths)] @ query, -1.0, 1.0)
        return scores

    def _reserve(self, count: int, dim: int) -> None:
        capacity = self._rows.shape[0]
        if count <= capacity and self._rows.shape[1] == dim:
            return
        grown = np.empty((max(_FIRST_ROWS, count, int(capacity * _GROWTH)), dim), np.float32)
        kept = len(self._paths)
        if kept:
            grown[:kept] = self._rows[:kept]
        self._rows = grown


def rounded(vectors: Vectors) -> Vectors:
    """Give the vectors as the store keeps them: rounded to float16, in float32 again."""
    return vectors.astype(np.float16).astype(np.float32)
