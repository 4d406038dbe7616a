"""When photos that a scan did not find may be taken for deleted.

A few missing photos were deleted while nobody watched. Many at once may as well be a share that shows half of its
folders or a sync gone wrong, and an owner who loses the index of a library for that does not forgive it. So beyond a
share of the root the deletion waits until a later pass finds them missing again, or until the owner confirms it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Brake:
    """Trips when more than `share` (0 to 1) of a root and at least `least` photos are missing at once."""

    share: float = 0.3
    least: int = 50

    def trips(self, missing: int, known: int) -> bool:
        """Tell whether so many of `known` photos are too many to be believed at once."""
        return missing >= self.least and missing > self.share * known


def held_back(
    missing: Collection[str], known: int, brake: Brake, held: frozenset[str], *, confirms: bool
) -> frozenset[str]:
    """Give those of the missing photos whose deletion has to wait.

    `held` are those that waited since an earlier pass; a pass that `confirms` lets them go.
    """
    doubtful = frozenset(missing) - held if confirms else frozenset(missing)
    return doubtful if brake.trips(len(doubtful), known) else frozenset()
