"""Vectors of phrases that were asked for before: a query that is repeated or followed costs no pass of the model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phsearch.domain.lru import LruCache
from phsearch.domain.search.relevance import SHORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import Vectors

_REMEMBERED = 1_000
"""About 4 MB where a vector has 1,024 numbers."""


class TextEmbedder(Protocol):
    """Turns one text into a vector."""

    async def embed(self, text: str) -> Vectors:
        """Return the [dim] unit vector of a text. Raises NotReadyError."""


class TextVectorCache:
    """Text -> vector of one model. Vectors are shared and must not be changed."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder
        self._vectors: LruCache[tuple[str, Sequence[str]], Vectors] = LruCache(_REMEMBERED)

    async def text_vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Return the [dim] unit vector of a phrase: of a short one the mean over `templates`. Raises NotReadyError."""
        if len(text.split()) > SHORT:
            templates = ("{}",)
        key = text, templates
        if (known := self._vectors.get(key)) is not None:
            return known
        # Texts that are asked for at once are embedded in one pass.
        vectors = await asyncio.gather(*(self._embedder.embed(form.replace("{}", text)) for form in templates))
        vector: Vectors = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
        vector = vector / np.linalg.norm(vector)
        self._vectors.put(key, vector)
        return vector
