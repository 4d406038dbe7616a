"""Vectors by content: those of a model that is being prepared, while another one answers.

A photo that is renamed, copied or moved keeps its content, so nothing has to be changed here for it. They are kept as
the store keeps them, in float16, which takes half the memory of the matrix that is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from phsearch.domain.types import Vectors

_GROWTH = 1.5
_MIN_ROWS = 256


class ContentVectors:
    """Unit vectors of contents by their digests. One thread adds, and any thread reads."""

    def __init__(self) -> None:
        self._row_of: dict[bytes, int] = {}
        self._rows: npt.NDArray[np.float16] = np.empty((0, 0), np.float16)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._row_of

    @property
    def dim(self) -> int:
        """How many numbers a vector has; 0 while there is none."""
        return int(self._rows.shape[1])

    def put_vectors(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Add the vectors, [n, dim], of n contents; of a content that is known the first one stays."""
        new = {digest: place for place, digest in enumerate(digests) if digest not in self._row_of}
        if not new:
            return
        first, count = len(self._row_of), len(new)
        if first + count > len(self._rows):
            rows = np.empty((max(_MIN_ROWS, first + count, int(first * _GROWTH)), vectors.shape[1]), np.float16)
            rows[:first] = self._rows[:first] if first else rows[:0]
            self._rows = rows
        self._rows[first : first + count] = vectors[list(new.values())]
        # Last, so that another thread finds no row that is not filled yet.
        self._row_of.update(zip(new, range(first, first + count), strict=True))

    def vectors(self, digests: Sequence[bytes]) -> Vectors:
        """Return copies of the vectors of contents, [n, dim]. Raises KeyError for one that is not known."""
        rows = [self._row_of[digest] for digest in digests]
        return self._rows[rows].astype(np.float32)
