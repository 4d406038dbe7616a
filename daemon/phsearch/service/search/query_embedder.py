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
from phsearch.domain.search.relevance import SHORT, score_std
from phsearch.domain.search.search import combine_vectors
from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.query.ast import Aim
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Vectors
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.model_state import ModelState

# Vectors of phrases that were asked for before: a query asked again, or followed, costs no pass of the model.


_REMEMBERED = 1_000
"""About 4 MB where a vector has 1,024 numbers."""


class TextEmbedder(Protocol):
    """Turns one text into a vector."""

    async def embed(self, text: str) -> Vectors:
        """Embed one text: [dim] unit vector. Raises NotReadyError."""


class TextVectorCache:
    """Text -> vector of one model; vectors are shared, and must not be changed."""

    def __init__(self, tower: TextEmbedder) -> None:
        self._embedder = tower
        self._vectors: OrderedDict[tuple[str, Sequence[str]], Vectors] = OrderedDict()

    async def text_vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Give the [dim] unit vector of a phrase: of a short one the mean over `templates`. Raises NotReadyError."""
        if len(text.split()) > SHORT:
            templates = ("{}",)
        key = text, templates
        if (known := self._vectors.get(key)) is not None:
            self._vectors.move_to_end(key)
            return known
        # Asked for at once they are embedded in one pass.
        vectors = await asyncio.gather(*(self._embedder.embed(form.replace("{}", text)) for form in templates))
        vector: Vectors = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
        self._vectors[key] = vector = vector / np.linalg.norm(vector)
        if len(self._vectors) > _REMEMBERED:
            self._vectors.popitem(last=False)
        return vector


class ImageEmbedder(Protocol):
    """Understands a photo that is not in the library."""

    async def image_vector(self, path: str) -> Vectors:
        """Give the [dim] unit vector of a file. Raises UnreadableImageError."""


class QueryEmbedder:
    """Aims in, a vector out."""

    def __init__(
        self,
        text_vectors: TextVectorCache,
        model: ModelState,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        image_embedder: ImageEmbedder,
        calibration: Callable[[], Calibration],
        home: str,
    ) -> None:
        self._text_vectors = text_vectors
        self._model = model
        self._index = index
        self._executor = rank_executor
        self._image_embedder = image_embedder
        self._calibration = calibration
        self._home = home

    def check_aims(self, aims: Sequence[Aim]) -> None:
        """Raise what stands in the way of these aims, as far as that is known at once."""
        self._model.check_ready()
        if self._model.english_only:
            for aim in aims:
                if isinstance(aim, Phrase):
                    queries.check_script(aim.text, self._model.name)

    async def query_vector(self, aims: Sequence[Aim], cwd: str | None) -> Vectors:
        """Give the [dim] unit vector that photos are to be near to.

        Raises QueryError, UnsupportedQueryError, NotReadyError, UnreadableImageError or what is wrong with the model.
        """
        self.check_aims(aims)
        vectors = np.stack(await asyncio.gather(*(self._aim_vector(aim, cwd) for aim in aims)))
        if len(aims) == 1:
            single: Vectors = vectors[0] * np.sign(np.float32(aims[0].weight))
            return single
        calibration = self._calibration()
        spread = await self._executor.submit(lambda: score_std(calibration, vectors, self._index.scores(vectors)))
        whole = combine_vectors(vectors, [aim.weight for aim in aims], spread)
        if whole is None:
            start, end = aims[0].place.start, aims[-1].place.end
            raise QueryError(
                "the parts of the query cancel each other out", "take one of them away", start=start, end=end
            )
        return whole

    async def _aim_vector(self, aim: Aim, cwd: str | None) -> Vectors:
        match aim:
            case Phrase(text):
                return await self._text_vectors.text_vector(text, self._calibration().templates)
            case Like():
                return await self._photo(resolve_like_path(aim, cwd, self._home))

    async def _photo(self, path: str) -> Vectors:
        known = await self._executor.submit(self._index.vector, path)
        return known if known is not None else await self._image_embedder.image_vector(path)


def resolve_like_path(aim: Like, cwd: str | None, home: str) -> str:
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
