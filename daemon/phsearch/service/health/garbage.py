"""Keeps what lives long out of Python's garbage collections: each stops everything else for as long as it takes.

A full collection looks at every object, three of each photo: 0.15 s for fifty thousand photos. So the objects that
there are after many photos were added are frozen: no collection looks at them again. Photos that are removed are freed
without one, because nothing that belongs to a photo refers back to it.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PHOTOS = 4_000


class GarbageFreezer:
    """Freezes what there is whenever some thousand photos have changed; `changes` counts all changes so far."""

    def __init__(self, changes: Callable[[], int]) -> None:
        self._changes = changes
        self._frozen_at = changes()

    def check(self) -> None:
        """Freeze what there is, if enough has changed. What was garbage is collected first."""
        if self._changes() - self._frozen_at < _PHOTOS:
            return
        gc.collect()
        gc.freeze()
        self._frozen_at = self._changes()
