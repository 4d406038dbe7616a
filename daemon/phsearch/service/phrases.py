"""Vectors of phrases that were asked for before: a query asked again, or followed, costs no pass of the model."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import Vectors

_REMEMBERED = 1_000
"""About 4 MB where a vector has 1,024 numbers."""


class Tower(Protocol):
    """Turns one text into a vector."""

    async def embed(self, text: str) -> Vectors:
        """Embed one text: [dim] unit vector. Raises NotReadyError."""


class Phrases:
    """Text -> vector of one model; vectors are shared, and must not be changed."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self.asked = self.remembered = 0

    async def vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """Give the [dim] unit vector of each text, in one pass for those that are new. Raises NotReadyError."""
        return list(await asyncio.gather(*map(self._vector, texts)))

    async def _vector(self, text: str) -> Vectors:
        self.asked += 1
        if (known := self._known.get(text)) is not None:
            self.remembered += 1
            self._known.move_to_end(text)
            return known
        vector = await self._tower.embed(text)
        self._known[text] = vector
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return vector
