"""When photos may be deleted from the index: those that a scan did not find, and those of roots that were removed.

A few missing photos were deleted while nothing watched. Many at once may be a share that shows half of its folders, or
a failed sync, and the user must not lose the index of a library for that. So beyond a share of the root the deletion
waits until a later scan finds the photos missing again, or until the user confirms it.

A root may have been removed from the settings by mistake, or for a month. So its photos are not shown any more but stay
in the store, and watching it again costs nothing. After a time of grace they are forgotten, unless the user wants to
keep them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class MassDeletionGuard:
    """Trips when more than `share` (0 to 1) of a root and at least `least` photos are missing at once."""

    share: float = 0.3
    least: int = 50

    def limit(self, known: int) -> float:
        """Return how many of `known` photos may be missing at once."""
        return max(self.least, self.share * known)

    def holds_back(self, missing: int, known: int) -> bool:
        """Whether so many missing of `known` photos are too many at once."""
        return missing >= self.least and missing > self.share * known


def deletions_to_hold(
    missing: Collection[str], known: int, guard: MassDeletionGuard, held: AbstractSet[str], *, confirms: bool
) -> frozenset[str]:
    """Return the missing photos whose deletion has to wait.

    `held` are those that wait already. They do so until they are there again, or a scan that `confirms` misses them.
    """
    doubtful = frozenset(missing) - held if confirms else frozenset(missing)
    if guard.holds_back(len(doubtful), known):
        return doubtful
    return frozenset() if confirms else doubtful & held


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedDeletions:
    """What a user said to be deleted: these photos, as the root was then. What is there all the same is kept."""

    paths: frozenset[str]
    offline: bool
    hung: bool
    """Whether its disk did not answer."""


@dataclass(frozen=True, slots=True)
class RemovedRoot:
    """A root that was removed, or was found to be removed, at `since` (seconds since the epoch)."""

    path: str
    since: float
    keep: bool = False
    """Whether the user wants its photos kept, whatever the settings say."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What the settings say of removed roots."""

    then: Literal["forget", "keep"]
    days: float

    def delete_at(self, removed: RemovedRoot) -> float | None:
        """Return when the photos of a removed root are to be forgotten; None for never."""
        return None if removed.keep or self.then == "keep" else removed.since + self.days * _DAY


def grouped(photos: Iterable[tuple[str, str]], records: Mapping[str, RemovedRoot]) -> dict[str, set[str]]:
    """Return the paths of photos in no root by removed root; each comes with the root it had.

    The records show best to which root a photo belonged: to the innermost that holds it.
    """
    known = Roots(records)
    groups: dict[str, set[str]] = {}
    for path, root in photos:
        groups.setdefault((known.root_of(path) if records else None) or root, set()).add(path)
    return groups


def recorded(
    groups: Iterable[str], records: Mapping[str, RemovedRoot], now: float, *, keep: bool = False
) -> dict[str, RemovedRoot]:
    """Return the records of these roots: those that are known as they are, the others since `now`."""
    return {root: records.get(root) or RemovedRoot(root, now, keep) for root in groups}
