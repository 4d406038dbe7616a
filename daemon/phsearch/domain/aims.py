"""Several words and photos as one query vector.

Each aim says of every photo how far above the average it is for it, in standard deviations of its own scores; the
query is the weighted sum of that. A plain sum of vectors would let a photo drown the words beside it: cosines between
photos spread several times as widely as those between a text and photos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import Vectors

_LEAST = 1e-6


def combined(aims: Vectors, weights: Sequence[float], spreads: Vectors) -> Vectors | None:
    """Give the [dim] unit vector of `aims` ([m, dim], unit rows) with their weights.

    `spreads` ([m]) are the standard deviations of the scores that photos in general have for each aim. None where the
    aims cancel out: nothing is left to rank by.
    """
    factors: Vectors = (np.asarray(weights) / np.maximum(spreads, _LEAST)).astype(np.float32)
    total: Vectors = factors @ aims
    length = float(np.linalg.norm(total))
    if length <= _LEAST * float(np.abs(factors).sum()):
        return None
    unit: Vectors = total / np.float32(length)
    return unit
