"""From what a query aims at to the one vector that photos are ranked by.

Words come from the text tower, photos of the library from the resident matrix, any other photo from a worker that
looks at it alone.
"""

from __future__ import annotations

import asyncio
import posixpath
import urllib.parse
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phsearch.domain import query as queries
from phsearch.domain.aims import combined
from phsearch.domain.language.terms import Like, Phrase
from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import numpy.typing as npt

    from phsearch.domain.language.terms import Aim
    from phsearch.domain.ranking import VectorIndex
    from phsearch.domain.types import Vectors
    from phsearch.service.lanes import Lane
    from phsearch.service.model import ModelState
    from phsearch.service.phrases import Phrases

Spread = "Callable[[Vectors], Awaitable[npt.NDArray[np.float32]]]"
"""[m, dim] aims -> [m], how widely the scores of photos in general spread for each."""


class Glance(Protocol):
    """Understands a photo that is not in the library."""

    async def vector(self, path: str) -> Vectors:
        """Give the [dim] unit vector of a file. Raises UnreadableImageError."""


class Aimer:
    """Aims in, a vector out."""

    def __init__(self, phrases: Phrases, model: ModelState, index: VectorIndex, rank_lane: Lane, glance: Glance) -> None:
        self._phrases = phrases
        self._model = model
        self._index = index
        self._lane = rank_lane
        self._glance = glance

    def check(self, aims: Sequence[Aim]) -> None:
        """Raise what stands in the way of these aims, as far as that is known at once."""
        self._model.require()
        if self._model.english_only:
            for aim in aims:
                if isinstance(aim, Phrase):
                    queries.check_script(aim.text, self._model.name)

    async def vector(self, aims: Sequence[Aim], cwd: str | None) -> Vectors:
        """Give the [dim] unit vector that photos are to be near to.

        Raises QueryError, UnsupportedQueryError, NotReadyError, UnreadableImageError or what is wrong with the model.
        """
        self.check(aims)
        paths = {aim: located(aim, cwd) for aim in aims if isinstance(aim, Like)}
        found = await asyncio.gather(
            self._phrases.vectors([aim.text for aim in aims if isinstance(aim, Phrase)]),
            *(self._photo(path) for path in paths.values()),
        )
        words, photos = iter(found[0]), iter(found[1:])
        vectors = np.stack([next(words) if isinstance(aim, Phrase) else next(photos) for aim in aims])
        if len(aims) == 1:
            return vectors[0] if aims[0].weight > 0 else -vectors[0]
        spreads = await self._lane.run(self._index.spreads, vectors)
        whole = combined(vectors, [aim.weight for aim in aims], spreads)
        if whole is None:
            start, end = aims[0].place.start, aims[-1].place.end
            raise QueryError("the parts of the query cancel each other out", "take one of them away", start=start, end=end)
        return whole

    async def _photo(self, path: str) -> Vectors:
        known = await self._lane.run(self._index.vector, path)
        return known if known is not None else await self._glance.vector(path)


def located(aim: Like, cwd: str | None) -> str:
    """Give the absolute path that is meant. Raises QueryError where nobody knows what it begins at."""
    path = aim.path
    if path.startswith("file:///"):
        path = urllib.parse.unquote_to_bytes(path.removeprefix("file://")).decode("utf-8", "surrogateescape")
    elif not path.startswith("/"):
        if cwd is None:
            hint = "give the whole path, from / on, or the parameter cwd"
            raise QueryError(f"like:{aim.path} is a relative path", hint, start=aim.place.start, end=aim.place.end)
        path = posixpath.join(cwd, path)
    return posixpath.normpath(path)
