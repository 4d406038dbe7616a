"""The resident matrix: every vector of the library in memory, ranked exactly, with what filters ask for beside it.

A product of 100,000 x 384 takes about 10 ms, less than an approximate index saves, and a filter is just a mask that
loses nothing. Rows are float32 for speed, rounded through float16 so that a vector ranks the same before and after it
has been to the store. One thread at a time uses an index (the rank lane).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from phsearch.domain.types import Photo, Vectors

_GROWTH = 1.5
_SHRINK = 0.25
"""Share of rows in use below which the rest is given back; far below what growth leaves, or they would alternate."""
_FIRST_ROWS = 256
_AT_ONCE = 4_096
_SOME = 2_000


class VectorIndex:
    """Path -> unit vector, and the ranking of all of them for a query. A row is a photo's place, as of now."""

    def __init__(self) -> None:
        self.columns = Columns()
        self._rows: Vectors = np.empty((0, 0), np.float32)
        self._photos: list[Photo] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._photos)

    def paths(self) -> list[str]:
        """Give the paths of all photos."""
        return [photo.path for photo in self._photos]

    def load(self, photos: Sequence[Photo], vectors: Vectors) -> None:
        """Replace everything by `photos` and their vectors, [n, dim]."""
        self._rows = round_to_float16(vectors)
        self._photos = list(photos)
        self._row_of = {photo.path: row for row, photo in enumerate(photos)}
        self.columns = Columns(photos)

    def put_vector(self, photo: Photo, vector: Vectors) -> None:
        """Add or replace one photo's vector, [dim]."""
        row = self._row_of.get(photo.path)
        if row is None:
            row = len(self._photos)
            self._reserve(row + 1, vector.shape[0])
            self._photos.append(photo)
            self._row_of[photo.path] = row
        self._rows[row] = round_to_float16(vector)
        self._put_photo(row, photo)

    def put_vectors(self, photos: Sequence[Photo], vectors: Sequence[Vectors]) -> None:
        """Add or replace photos, each [dim]."""
        if not photos:
            return
        fresh = [photo for photo in {each.path: each for each in photos}.values() if photo.path not in self._row_of]
        self._reserve(len(self._photos) + len(fresh), vectors[0].shape[0])
        self._row_of.update({photo.path: row for row, photo in enumerate(fresh, len(self._photos))})
        self._photos += fresh
        for start in range(0, len(photos), _AT_ONCE):
            rows = [self._row_of[photo.path] for photo in photos[start : start + _AT_ONCE]]
            self._rows[rows] = round_to_float16(np.stack(vectors[start : start + _AT_ONCE]))
        for photo in photos:
            self._put_photo(self._row_of[photo.path], photo)

    def remove_paths(self, paths: Iterable[str]) -> None:
        """Take photos out."""
        for path in paths:
            self.remove_path(path)

    def remove_path(self, path: str) -> None:
        """Take a photo out; the last row moves into its place."""
        row = self._row_of.pop(path, None)
        if row is None:
            return
        last = len(self._photos) - 1
        if row != last:
            self._rows[row] = self._rows[last]
            self._photos[row] = self._photos[last]
            self._row_of[self._photos[row].path] = row
            self.columns.move_row(last, row)
        self._photos.pop()
        self.columns.pop_row()
        if last < self._rows.shape[0] * _SHRINK and self._rows.shape[0] > _FIRST_ROWS:
            self._resize(last)
            self.columns.shrink()

    def rename_path(self, source: str, target: Photo) -> Vectors | None:
        """Give a photo's row another name, replacing what had it; gives a copy of its vector, [dim]."""
        if source not in self._row_of:
            return None
        if source != target.path:
            self.remove_path(target.path)
        row = self._row_of.pop(source)
        self._row_of[target.path] = row
        self._put_photo(row, target)
        return self.vector(target.path)

    def pop_vector(self, path: str) -> Vectors | None:
        """Remove a photo and give the vector it had, [dim]."""
        vector = self.vector(path)
        self.remove_path(path)
        return vector

    def vector(self, path: str) -> Vectors | None:
        """Give a copy of one photo's vector, [dim]."""
        row = self._row_of.get(path)
        if row is None:
            return None
        vector: Vectors = self._rows[row].copy()
        return vector

    def vectors(self, paths: Sequence[str]) -> Vectors:
        """Give copies of the vectors of photos, [k, dim]; zeros for one that is not here."""
        found: Vectors = np.zeros((len(paths), self._rows.shape[1]), np.float32)
        known = [(place, row) for place, path in enumerate(paths) if (row := self._row_of.get(path)) is not None]
        if known:
            places, rows = zip(*known, strict=True)
            found[list(places)] = self._rows[list(rows)]
        return found

    def sample(self) -> Vectors:
        """Give the vectors of some photos, [k, dim]: enough to know what photos here have in common."""
        return self._rows[: min(len(self._photos), _SOME)]

    def row(self, path: str) -> int | None:
        """Give a photo's row."""
        return self._row_of.get(path)

    def photo(self, row: int) -> Photo:
        """Return the photo of a row, as it was when it was put here."""
        return self._photos[row]

    def scores(self, query: Vectors) -> Vectors:
        """Give the cosine of every photo, [n], with `query`, [dim] and of unit length; of several, [m, dim], [n, m]."""
        # Rounding to float16 leaves lengths a little off one; a cosine is never above it.
        scores: Vectors = np.clip(self._rows[: len(self._photos)] @ query.T, -1.0, 1.0)
        return scores

    def best(self, scores: Vectors, mask: npt.NDArray[np.bool_], limit: int) -> list[int]:
        """Give the rows in the `mask` ([n]) with the highest `scores` ([n]), best first, ties by path."""
        rows = np.flatnonzero(mask)
        if limit < len(rows):
            # All that reach the limit-th best score: a tie at the cut is then decided by path, not by row.
            among = scores[rows]
            rows = rows[among >= np.partition(among, len(rows) - limit)[len(rows) - limit]]
        return sorted(rows.tolist(), key=lambda row: (-scores[row], self._photos[row].path))[:limit]

    def newest(self, mask: npt.NDArray[np.bool_], limit: int) -> list[int]:
        """Give the rows in the `mask` ([n]) taken last, newest first, those without a date at the end, ties by path."""
        return self.best(self.columns["taken"].astype(np.float64), mask, limit)

    def _put_photo(self, row: int, photo: Photo) -> None:
        self._photos[row] = photo
        self.columns.put_row(row, photo)

    def _reserve(self, count: int, dim: int) -> None:
        capacity = self._rows.shape[0]
        if count <= capacity and self._rows.shape[1] == dim:
            return
        if self._rows.shape[1] != dim:
            self._rows = np.empty((0, dim), np.float32)
        self._resize(max(count, int(capacity * _GROWTH)))

    def _resize(self, capacity: int) -> None:
        rows = np.empty((max(_FIRST_ROWS, capacity), self._rows.shape[1]), np.float32)
        kept = len(self._photos)
        rows[:kept] = self._rows[:kept]
        self._rows = rows


def round_to_float16(vectors: Vectors) -> Vectors:
    """Give the vectors as the store keeps them: rounded to float16, in float32 again."""
    return vectors.astype(np.float16).astype(np.float32)
