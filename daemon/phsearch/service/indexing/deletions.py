"""Deletions of one root that were reported as they happened: a few are believed at once, many wait for a scan.

Photos that vanish within a short time are one burst. If a scan would hold back so many (see `deletion_policy`), the
burst is held, too: its photos stay in the index, and a scan says what is missing. A photo that is there again, or whose
content is at another path, is not missing.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.roots.deletion_policy import MassDeletionGuard

_AT_ONCE = 0.1
"""The part of what is too many that is removed without waiting for more: one photo, or an album of a large library."""
_QUIET_SECONDS = 0.1
"""After so long without a deletion a burst is over."""
_QUIET_SECONDS_OF_MANY = 0.3
"""The same for a burst that is half of what is too many: a disk pauses while it deletes a tree."""
_LAST_SECONDS = 10.0
"""A burst that goes on is decided on after so long."""
_WINDOW_SECONDS = 60.0
"""Bursts that follow each other so closely are counted together, because a slow disk splits one deletion into many."""
_REMOVED_AT_ONCE = 256


class Deletions:
    """The photos of one root that seem to be gone.

    `burst` are those that vanished just now, `gone` those that are removed at once, together. `held` are those whose
    deletion waits for a scan or its user.
    """

    def __init__(
        self,
        *,
        root: str,
        guard: MassDeletionGuard,
        library: Library,
        remove: Callable[[Sequence[str]], object],
        on_mass_deletion: Callable[[], None],
    ) -> None:
        """`remove` deletes photos from the index; `on_mass_deletion` is called at the end of a burst that is held."""
        self.guard = guard
        self.burst: dict[str, None] = {}
        self.held: set[str] = set()
        self.unscanned = False
        """Whether some are held that no scan has missed yet, so that none confirms them."""
        self.gone: dict[str, None] = {}
        self._root = root
        self._library = library
        self._remove = remove
        self._on_mass_deletion = on_mass_deletion
        self._timer: asyncio.TimerHandle | None = None
        self._known = 0
        self._counted = 0
        """Deletions of earlier bursts within the window."""
        self._first = self._last = float("-inf")
        self._held_some = False

    def add(self, path: str) -> None:
        """Note that a file is gone. It is removed soon, unless too many are."""
        photo = self._library.get(path)
        if photo is None or any(self._is_kept(other) for other in self._library.copies(photo.digest) if other != path):
            self.remove(path)
            return
        if path in self.held:
            return
        now = asyncio.get_running_loop().time()
        if now - self._last > _WINDOW_SECONDS:
            self._known, self._counted = self._library.count(self._root), 0
        self._last = now
        if not self.burst and self._counted < _AT_ONCE * self.guard.limit(self._known):
            self._counted += 1
            self.remove(path)
            return
        if not self.burst:
            self._first = now
        self.burst[path] = None
        if self._timer is None:
            self._wait()

    def remove(self, path: str) -> None:
        """Remove a photo, together with others that are found to be gone just now."""
        if not self.gone:
            asyncio.get_running_loop().call_soon(self._remove_gone)
        self.gone[path] = None

    def discard(self, path: str) -> None:
        """Note that a file is there, or is missed no longer."""
        self.gone.pop(path, None)
        self.burst.pop(path, None)
        self.held.discard(path)

    def close(self) -> None:
        """Leave what is under way to the next scan."""
        self.burst.clear()
        self.gone.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _is_kept(self, path: str) -> bool:
        return path not in self.burst and path not in self.held and path not in self.gone

    def _remove_gone(self) -> None:
        self._remove(_take_some(self.gone))
        if self.gone:
            asyncio.get_running_loop().call_soon(self._remove_gone)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._last + self._quiet, self._decide)

    @property
    def _quiet(self) -> float:
        many = 2 * (self._counted + len(self.burst)) > self.guard.limit(self._known)
        return _QUIET_SECONDS_OF_MANY if many else _QUIET_SECONDS

    def _decide(self) -> None:
        """Hold the burst if it is too large, remove it if it is over, or wait on."""
        loop = asyncio.get_running_loop()
        self._timer = None
        over = loop.time() - self._last >= self._quiet
        if self.guard.holds_back(self._counted + len(self.burst), self._known):
            self._counted += len(self.burst)
            self.held.update(self.burst)
            self.unscanned = True
            self.burst.clear()
            self._held_some = True
        elif over or loop.time() - self._first >= _LAST_SECONDS:
            self._remove_some()
            return
        if not over:
            self._wait()
        elif self._held_some:
            self._held_some = False
            self._on_mass_deletion()

    def _remove_some(self) -> None:
        """Remove what the burst has, in slices that do not hold up the event loop."""
        self._timer = None
        some = _take_some(self.burst)
        self._counted += len(some)
        self._remove(some)
        if self.burst:
            self._timer = asyncio.get_running_loop().call_later(0, self._remove_some)


def _take_some(paths: dict[str, None]) -> list[str]:
    """Return the first paths, and take them out: no more than one turn of the event loop is for."""
    some = list(itertools.islice(paths, _REMOVED_AT_ONCE))
    for path in some:
        del paths[path]
    return some
