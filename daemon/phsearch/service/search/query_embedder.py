"""From what a query aims at to the one vector that photos are ranked by.

Words come from the text tower, photos of the library from the resident matrix, any other photo from a worker that
looks at it alone.
"""

from __future__ import annotations

import asyncio
import posixpath
import urllib.parse
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phsearch.domain.query import text as queries
from phsearch.domain.query.ast import Like, Phrase
from phsearch.domain.search.relevance import SHORT, spreads
from phsearch.domain.search.search import combined
from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.query.ast import Aim
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Vectors
    from phsearch.service.threads import Lane
    from phsearch.service.workers.model_state import ModelState

# Vectors of phrases that were asked for before: a query asked again, or followed, costs no pass of the model.


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


class Glance(Protocol):
    """Understands a photo that is not in the library."""

    async def vector(self, path: str) -> Vectors:
        """Give the [dim] unit vector of a file. Raises UnreadableImageError."""


class Aimer:
    """Aims in, a vector out."""

    def __init__(
        self,
        phrases: Phrases,
        model: ModelState,
        index: VectorIndex,
        rank_lane: Lane,
        glance: Glance,
        calibration: Callable[[], Calibration],
        home: str,
    ) -> None:
        self._phrases = phrases
        self._model = model
        self._index = index
        self._lane = rank_lane
        self._glance = glance
        self._calibration = calibration
        self._home = home

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
        vectors = np.stack(await asyncio.gather(*(self._one(aim, cwd) for aim in aims)))
        if len(aims) == 1:
            single: Vectors = vectors[0] * np.sign(np.float32(aims[0].weight))
            return single
        calibration = self._calibration()
        spread = await self._lane.run(lambda: spreads(calibration, vectors, self._index.scores(vectors)))
        whole = combined(vectors, [aim.weight for aim in aims], spread)
        if whole is None:
            start, end = aims[0].place.start, aims[-1].place.end
            raise QueryError(
                "the parts of the query cancel each other out", "take one of them away", start=start, end=end
            )
        return whole

    async def _one(self, aim: Aim, cwd: str | None) -> Vectors:
        match aim:
            case Phrase(text):
                return await self._phrases.vector(text, self._calibration().templates)
            case Like():
                return await self._photo(located(aim, cwd, self._home))

    async def _photo(self, path: str) -> Vectors:
        known = await self._lane.run(self._index.vector, path)
        return known if known is not None else await self._glance.vector(path)


def located(aim: Like, cwd: str | None, home: str) -> str:
    """Give the absolute path that is meant; "~" is `home`. Raises QueryError where nobody knows what it begins at."""
    path = aim.path
    if path.startswith("file:///"):
        path = urllib.parse.unquote_to_bytes(path.removeprefix("file://")).decode("utf-8", "surrogateescape")
    elif path.startswith("~/"):
        path = home + path[1:]
    elif not path.startswith("/"):
        if cwd is None:
            hint = "give the whole path, from / on, or the parameter cwd"
            raise QueryError(f"like:{aim.path} is a relative path", hint, start=aim.place.start, end=aim.place.end)
        path = posixpath.join(cwd, path)
    return posixpath.normpath(path)
