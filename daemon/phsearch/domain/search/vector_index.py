"""The resident matrix: every vector of the library in memory, ranked exactly, beside the columns that filters test.

A product of 100,000 x 384 takes about 10 ms, so an approximate index would save less than it costs, and a filter is a
mask that loses no photo. Rows are float32 for speed. They are rounded to float16 and back, so that a vector ranks the
same before and after it was in the store. Only one thread uses an index, the rank thread.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from phsearch.domain.search.content_vectors import ContentVectors
    from phsearch.domain.types import Photo, Vectors

_GROWTH = 1.5
_SHRINK = 0.25
"""The memory shrinks when less than this share is in use. Growth leaves far more, so the two do not alternate."""
_MIN_ROWS = 256
_ROWS_AT_ONCE = 4_096
_SAMPLE_ROWS = 2_000


class VectorIndex:
    """Photos with their unit vectors, and their ranking for a query. A photo's row changes when others are removed."""

    def __init__(self) -> None:
        self.columns = Columns()
        self._rows: Vectors = np.empty((0, 0), np.float32)
        self._photos: list[Photo] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._photos)

    def paths(self) -> list[str]:
        """Return the paths of all photos."""
        return [photo.path for photo in self._photos]

    def load(self, photos: list[Photo], vectors: Vectors) -> None:
        """Replace everything by `photos` and their vectors, [n, dim], as the store keeps them. Both become its own."""
        self._rows = vectors
        self._photos = photos
        self._row_of = {photo.path: row for row, photo in enumerate(photos)}
        self.columns = Columns(photos)

    def replace_vectors(self, vectors: ContentVectors) -> list[Photo]:
        """Give every photo the vector that its content has there, by another model.

        Remove the photos whose contents have none, and return them.
        """
        lacking = [photo for photo in self._photos if photo.digest not in vectors]
        for photo in lacking:
            self.remove_path(photo.path)
        rows = np.empty((max(_MIN_ROWS, len(self._photos)), vectors.dim), np.float32)
        for start in range(0, len(self._photos), _ROWS_AT_ONCE):
            some = self._photos[start : start + _ROWS_AT_ONCE]
            rows[start : start + len(some)] = vectors.vectors([photo.digest for photo in some])
        self._rows = rows
        return lacking

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
        for start in range(0, len(photos), _ROWS_AT_ONCE):
            rows = [self._row_of[photo.path] for photo in photos[start : start + _ROWS_AT_ONCE]]
            self._rows[rows] = round_to_float16(np.stack(vectors[start : start + _ROWS_AT_ONCE]))
        for photo in photos:
            self._put_photo(self._row_of[photo.path], photo)

    def remove_paths(self, paths: Iterable[str]) -> None:
        """Remove photos."""
        for path in paths:
            self.remove_path(path)

    def remove_path(self, path: str) -> None:
        """Remove a photo; the last row moves into its place."""
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
        if last < self._rows.shape[0] * _SHRINK and self._rows.shape[0] > _MIN_ROWS:
            self._resize(last)
            self.columns.shrink()

    def rename_path(self, source: str, target: Photo) -> Vectors | None:
        """Rename a photo, replacing any with the new name, and return a copy of its vector, [dim]; None if unknown."""
        if source not in self._row_of:
            return None
        if source != target.path:
            self.remove_path(target.path)
        row = self._row_of.pop(source)
        self._row_of[target.path] = row
        self._put_photo(row, target)
        return self.vector(target.path)

    def rename_paths(self, moved: Iterable[tuple[str, Photo]]) -> None:
        """Rename photos."""
        for source, target in moved:
            self.rename_path(source, target)

    def copy_vectors(self, paths: Iterable[str]) -> list[Vectors | None]:
        """Return copies of the vectors of photos, each [dim]; None for an unknown photo."""
        return [self.vector(path) for path in paths]

    def pop_vectors(self, paths: Sequence[str]) -> list[Vectors | None]:
        """Remove photos and return their vectors, as copy_vectors does."""
        vectors = self.copy_vectors(paths)
        self.remove_paths(paths)
        return vectors

    def vector(self, path: str) -> Vectors | None:
        """Return a copy of a photo's vector, [dim]."""
        row = self._row_of.get(path)
        if row is None:
            return None
        vector: Vectors = self._rows[row].copy()
        return vector

    def vectors(self, paths: Sequence[str]) -> Vectors:
        """Return copies of the vectors of photos, [k, dim]; zeros for an unknown photo."""
        vectors: Vectors = np.zeros((len(paths), self._rows.shape[1]), np.float32)
        known = [(place, row) for place, path in enumerate(paths) if (row := self._row_of.get(path)) is not None]
        if known:
            places, rows = zip(*known, strict=True)
            vectors[list(places)] = self._rows[list(rows)]
        return vectors

    def sample(self) -> Vectors:
        """Return the vectors of some photos, [k, dim]: enough to know how similar photos of this library are."""
        return self._rows[: min(len(self._photos), _SAMPLE_ROWS)]

    def spread_out(self, most: int) -> Vectors:
        """Return the vectors of at most so many photos, [k, dim], from all over the library."""
        rows = self._rows[: len(self._photos)]
        return rows[:: max(1, -(-len(rows) // most))].copy()

    def row(self, path: str) -> int | None:
        """Return a photo's row."""
        return self._row_of.get(path)

    def photos(self) -> list[Photo]:
        """Return all photos, in the order of their rows."""
        return list(self._photos)

    def photo(self, row: int) -> Photo:
        """Return the photo of a row, as it was when it was added."""
        return self._photos[row]

    def scores(self, query: Vectors) -> Vectors:
        """Return the cosine of every photo, [n], with a unit vector `query`, [dim]; [n, m] for several, [m, dim]."""
        # After rounding to float16 lengths differ a little from one; a cosine must not exceed one.
        scores: Vectors = np.clip(self._rows[: len(self._photos)] @ query.T, -1.0, 1.0)
        return scores

    def best(self, scores: Vectors, mask: npt.NDArray[np.bool_], limit: int) -> list[int]:
        """Return the rows in `mask` ([n]) with the highest `scores` ([n]), best first, ties by path."""
        rows = np.flatnonzero(mask)
        if limit < len(rows):
            # Keep all that reach the limit-th best score: then the path decides a tie at the limit, not the row.
            masked = scores[rows]
            rows = rows[masked >= np.partition(masked, len(rows) - limit)[len(rows) - limit]]
        # Any number of photos may tie, all that have no date. To sort them would keep every other thread waiting.
        return heapq.nsmallest(limit, rows.tolist(), key=lambda row: (-scores[row], self._photos[row].path))

    def newest(self, mask: npt.NDArray[np.bool_], limit: int) -> list[int]:
        """Return the rows in `mask` ([n]) taken last, newest first, undated ones at the end, ties by path."""
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
        rows = np.empty((max(_MIN_ROWS, capacity), self._rows.shape[1]), np.float32)
        kept = len(self._photos)
        rows[:kept] = self._rows[:kept]
        self._rows = rows


def keep_rows(vectors: Vectors, rows: npt.NDArray[np.intp]) -> None:
    """Keep these rows, given in ascending order, and free the memory of the rest. Nothing else may use the matrix."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        chosen = vectors[rows[start : start + _ROWS_AT_ONCE]]
        vectors[start : start + len(chosen)] = chosen
    vectors.resize((len(rows), vectors.shape[1]), refcheck=False)


def round_to_float16(vectors: Vectors) -> Vectors:
    """Return the vectors as the store keeps them: rounded to float16, as float32."""
    return vectors.astype(np.float16).astype(np.float32)
