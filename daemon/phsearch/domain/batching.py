"""Which photos go to the worker next, and whom to suspect when it dies.

Photos travel in batches, a few ahead so that decoding overlaps the model. A worker that crashes or hangs takes the
photos it held with it: those it had not begun are innocent and simply wait again; those it had begun are tried again
in halves, one group at a time, until the culprit is alone. It is found after log2(n) restarts and no other photo of its
batch is lost (Baloo, KDE's indexer, does the same). A photo must be alone at several deaths before it is blamed: a
worker may also be killed from outside.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.types import Fingerprint


_DEATHS_TO_BLAME = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file whose content is new: to be decoded and embedded."""

    path: str
    root: str
    fingerprint: Fingerprint
    digest: bytes


class Batcher:
    """The queue before the worker and the batches inside it."""

    def __init__(self, size: int, ahead: int) -> None:
        self.size = size
        self._ahead = ahead
        self._waiting: dict[str, Candidate] = {}
        self._suspects: deque[list[Candidate]] = deque()
        self._held: dict[int, dict[str, Candidate]] = {}
        self._begun: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self._number = 0

    @property
    def waiting(self) -> int:
        """Photos not yet given to the worker."""
        return len(self._waiting) + sum(map(len, self._suspects))

    @property
    def held(self) -> int:
        """Photos the worker has."""
        return sum(map(len, self._held.values()))

    def position(self, path: str) -> int | None:
        """Give how many photos wait or are held before a waiting one; None for one that is held or not here."""
        queue = (candidate.path for batch in self._suspects for candidate in batch)
        for before, waiting in enumerate((*queue, *self._waiting), self.held):
            if waiting == path:
                return before
        return None

    def add(self, candidate: Candidate) -> None:
        """Queue a photo; a newer version of the same path replaces the older."""
        self._waiting[candidate.path] = candidate

    def next(self) -> tuple[int, list[Candidate]] | None:
        """Give the next numbered batch, None when the worker has enough or nothing waits."""
        if self._suspects:
            # Suspects go alone, so that the next crash says more.
            if self._held:
                return None
            return self._hold(self._suspects.popleft())
        if not self._waiting or len(self._held) >= self._ahead:
            return None
        batch = [self._waiting.pop(path) for path in list(self._waiting)[: self.size]]
        return self._hold(batch)

    def begun(self, path: str) -> None:
        """Note that the worker has begun with a photo."""
        self._begun.add(path)

    def finished(self, path: str) -> Candidate | None:
        """Take a photo whose result has come; None for one nobody waits for."""
        self._begun.discard(path)
        for batch in self._held.values():
            candidate = batch.pop(path, None)
            if candidate is not None:
                del self._deaths[path]
                return candidate
        return None

    def done(self, number: int) -> list[Candidate]:
        """Close a batch; gives photos the worker said nothing about, which wait again."""
        forgotten = list(self._held.pop(number, {}).values())
        self._begun.difference_update(candidate.path for candidate in forgotten)
        self._requeue(forgotten)
        return forgotten

    def died(self) -> Candidate | None:
        """Sort out what a dead worker held; gives the culprit once it is alone."""
        held = [candidate for batch in self._held.values() for candidate in batch.values()]
        self._held.clear()
        suspects = [candidate for candidate in held if candidate.path in self._begun]
        self._requeue(candidate for candidate in held if candidate.path not in self._begun)
        self._begun.clear()
        match suspects:
            case []:
                return None
            case [alone]:
                self._deaths[alone.path] += 1
                if self._deaths[alone.path] >= _DEATHS_TO_BLAME:
                    del self._deaths[alone.path]
                    return alone
                self._suspects.append(suspects)
            case _:
                middle = len(suspects) // 2
                self._suspects.extendleft((suspects[middle:], suspects[:middle]))
        return None

    def _hold(self, batch: list[Candidate]) -> tuple[int, list[Candidate]]:
        self._number += 1
        self._held[self._number] = {candidate.path: candidate for candidate in batch}
        return self._number, batch

    def _requeue(self, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            # A newer version of the file may have been queued meanwhile.
            self._waiting.setdefault(candidate.path, candidate)
