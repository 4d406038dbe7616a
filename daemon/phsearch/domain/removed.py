"""Roots that are watched no more, whose photos the store still has: since when, and when they are to be forgotten.

A folder taken out of the settings may have been taken out by mistake, or for a month. So its photos are shown no longer
but stay in the store, and watching it again costs nothing; after a time of grace they are forgotten, unless the owner
wants them kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Removed:
    """One root that was removed, or was found to be, at `since` (seconds since the epoch)."""

    path: str
    since: float
    keep: bool = False
    """Whether its owner wants its photos kept, whatever the settings say."""


@dataclass(frozen=True, slots=True)
class Grace:
    """What the settings say of removed roots."""

    then: Literal["forget", "keep"]
    days: float

    def ends(self, removed: Removed) -> float | None:
        """Give when the photos of a removed root are to be forgotten; None for never."""
        return None if removed.keep or self.then == "keep" else removed.since + self.days * _DAY


def grouped(photos: Iterable[tuple[str, str]], records: Mapping[str, Removed]) -> dict[str, set[str]]:
    """Sort the paths of photos in no root, each with the root it had, by removed root.

    What is on record says best to which root a photo belonged: to the innermost that holds it.
    """
    known = Roots(records)
    groups: dict[str, set[str]] = {}
    for path, root in photos:
        groups.setdefault(known.of(path) or root, set()).add(path)
    return groups


def recorded(
    groups: Iterable[str], records: Mapping[str, Removed], now: float, *, keep: bool = False
) -> dict[str, Removed]:
    """Give the records for what is there: known ones as they are, new ones from `now` on, none of what is not."""
    return {root: records.get(root) or Removed(root, now, keep) for root in groups}
