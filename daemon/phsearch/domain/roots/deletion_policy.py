"""Roots that are watched no more, whose photos the store still has: since when, and when they are to be forgotten.

A folder taken out of the settings may have been taken out by mistake, or for a month. So its photos are shown no longer
but stay in the store, and watching it again costs nothing; after a time of grace they are forgotten, unless the owner
wants them kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# When photos that a scan did not find may be taken for deleted.
#
# A few missing photos were deleted while nobody watched. Many at once may as well be a share that shows half of its
# folders or a sync gone wrong, and an owner who loses the index of a library for that does not forgive it. So beyond a
# share of the root the deletion waits until a later pass finds them missing again, or until the owner confirms it.


@dataclass(frozen=True, slots=True)
class MassDeletionGuard:
    """Trips when more than `share` (0 to 1) of a root and at least `least` photos are missing at once."""

    share: float = 0.3
    least: int = 50

    def holds_back(self, missing: int, known: int) -> bool:
        """Tell whether so many of `known` photos are too many to be believed at once."""
        return missing >= self.least and missing > self.share * known


def deletions_to_hold(
    missing: Collection[str], known: int, brake: MassDeletionGuard, held: frozenset[str], *, confirms: bool
) -> frozenset[str]:
    """Give those of the missing photos whose deletion has to wait.

    `held` are those that waited since an earlier pass; a pass that `confirms` lets them go.
    """
    doubtful = frozenset(missing) - held if confirms else frozenset(missing)
    return doubtful if brake.holds_back(len(doubtful), known) else frozenset()


_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class RemovedRoot:
    """One root that was removed, or was found to be, at `since` (seconds since the epoch)."""

    path: str
    since: float
    keep: bool = False
    """Whether its owner wants its photos kept, whatever the settings say."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What the settings say of removed roots."""

    then: Literal["forget", "keep"]
    days: float

    def delete_at(self, removed: RemovedRoot) -> float | None:
        """Give when the photos of a removed root are to be forgotten; None for never."""
        return None if removed.keep or self.then == "keep" else removed.since + self.days * _DAY


def grouped(photos: Iterable[tuple[str, str]], records: Mapping[str, RemovedRoot]) -> dict[str, set[str]]:
    """Sort the paths of photos in no root, each with the root it had, by removed root.

    What is on record says best to which root a photo belonged: to the innermost that holds it.
    """
    known = Roots(records)
    groups: dict[str, set[str]] = {}
    for path, root in photos:
        groups.setdefault((known.root_of(path) if records else None) or root, set()).add(path)
    return groups


def recorded(
    groups: Iterable[str], records: Mapping[str, RemovedRoot], now: float, *, keep: bool = False
) -> dict[str, RemovedRoot]:
    """Give the records for what is there: known ones as they are, new ones from `now` on, none of what is not."""
    return {root: records.get(root) or RemovedRoot(root, now, keep) for root in groups}
