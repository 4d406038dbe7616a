"""Vectors of phrases that were asked for before: a query asked again, or followed, costs no pass of the model."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phsearch.domain.relevance import SHORT

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
        self._known: OrderedDict[tuple[str, Sequence[str]], Vectors] = OrderedDict()

    async def vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Give the [dim] unit vector of a phrase: of a short one the mean over `templates`. Raises NotReadyError."""
        if len(text.split()) > SHORT:
            templates = ("{}",)
        key = text, templates
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known
        # Asked for at once they are embedded in one pass.
        vectors = await asyncio.gather(*(self._tower.embed(form.replace("{}", text)) for form in templates))
        vector: Vectors = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
        self._known[key] = vector = vector / np.linalg.norm(vector)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return vector
