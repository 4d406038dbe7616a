"""A robust measure of growth: the median of the slopes between all pairs of blocks of samples, with its interval.

It is the Theil-Sen estimator, which a few outliers change little. Values that are cleaned up at times are sawtooths, so
neighbours are not independent; the medians of blocks of some teeth nearly are. The interval is Sen's of 1968, from the
distribution of Kendall's statistic without a trend.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = 12
_FEWEST = 8
_SURE = 2.576
"""Standard deviations for 99 %: two dozen values are judged at once."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The change of a value per sample, and over all samples, with a lower and an upper bound."""

    slope: float
    low: float
    high: float
    samples: int

    @property
    def over_all(self) -> float:
        """The growth from the first sample to the last."""
        return self.slope * (self.samples - 1)


def growth(values: Sequence[float]) -> Growth | None:
    """Return the growth of a value, or None with too few samples."""
    blocks = min(len(values), _BLOCKS)
    if blocks < _FEWEST:
        return None
    cuts = [len(values) * each // blocks for each in range(blocks + 1)]
    points = [((start + end) / 2, statistics.median(values[start:end])) for start, end in itertools.pairwise(cuts)]
    slopes = sorted((after - before) / (later - earlier) for (earlier, before), (later, after) in _pairs(points))
    spread = math.sqrt(blocks * (blocks - 1) * (2 * blocks + 5) / 18)
    rank = max(0, math.floor((len(slopes) - _SURE * spread) / 2))
    return Growth(statistics.median(slopes), slopes[rank], slopes[-1 - rank], len(values))


def _pairs(points: Sequence[tuple[float, float]]) -> itertools.combinations[tuple[tuple[float, float], ...]]:
    return itertools.combinations(points, 2)
