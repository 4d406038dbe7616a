"""Splits pictures into batches that fit into memory, whatever runs the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.types import Pixels, Vectors


class FittingBatches:
    """`size` is how many pictures are embedded at once. It is halved when memory runs out, also for later calls."""

    def __init__(self, size: int) -> None:
        self.size = size

    def embed_all(self, pixels: Sequence[Pixels], forward: Callable[[Sequence[Pixels]], Vectors]) -> Vectors:
        """Return the vectors of all pictures, [n, dim]; `forward` raises MemoryError for a batch that does not fit.

        Raises MemoryError if a single picture does not fit, and whatever else `forward` raises.
        """
        done: list[Vectors] = []
        start = 0
        while start < len(pixels):
            batch = pixels[start : start + self.size]
            try:
                done.append(forward(batch))
            except MemoryError as error:
                if len(batch) == 1:
                    raise MemoryError("not enough memory for a single picture") from error
                self.size = len(batch) // 2
            else:
                start += len(batch)
        return np.concatenate(done)
