"""From the aims of a query to the one vector that photos are ranked by.

Phrases are embedded by the text worker, and photos outside the library by a worker that sees only that photo. Photos
of the library have their vectors in the index, which only the rank thread reads: so there are two steps.

Phrases that mean the same have one wording: "a dog", "Dogs" and "photos of dogs" are asked as "dog". A model hears
differences where people mean none, and each wording would have its own ranking and cut-off. Only short phrases are
changed: in "two dogs in the snow" the number may be meant.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import unicodedata
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np
from cachetools import LRUCache

from phsearch.domain.query.ast import Like, Phrase
from phsearch.domain.search import everyday
from phsearch.domain.search.relevance import score_std
from phsearch.domain.search.search import combine_vectors
from phsearch.errors import QueryError, UnsupportedQueryError
from phsearch.paths import expand_typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.query.ast import Aim
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Vectors
    from phsearch.service.workers.model_state import ModelState

    EmbeddedAim = Vectors | str
    """A [dim] unit vector, or the path of a photo whose vector is in the index."""
    from phsearch.domain.types import Vectors

_REMEMBERED = 1_000
"""About 4 MB where a vector has 1,024 numbers."""
_AT_ONCE = 16
"""So few that a query waits for no more than one short pass."""
SHORT = 2
"""A phrase of at most so many words, without an article, has one wording, and is put into templates."""

_LEAD = re.compile(
    r"^(?:(?:a |the |some |all |my |our )?(?:photo|picture|image|pic|shot)s? of )?(?:(?:an?|the|some|any|all|my|our) )?"
)
_IRREGULAR = {
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "lives": "life",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "persons": "person",
    "scarves": "scarf",
    "shelves": "shelf",
    "teeth": "tooth",
    "thieves": "thief",
    "wives": "wife",
    "wolves": "wolf",
    "women": "woman",
}
_ALWAYS_PLURAL = ("ss", "us", "is", "as", "os", "ics", "wear")
_SHORTEST = 5
_EMOJI_PARTS = "\u200d\ufe0e\ufe0f"
"""What joins emoji, and chooses between colours and black and white."""
_STYLE = re.compile(r"^(?:heavy |black |white )*(?=heart|sun|star|smiling|snow)")
"""How a symbol of print is drawn is no part of its meaning."""


class TextEmbedder(Protocol):
    """Turns one text into a vector."""

    async def embed(self, text: str) -> Vectors:
        """Return the [dim] unit vector of a text. Raises NotReadyError."""


class TextVectorCache:
    """Vectors of phrases by the model: a query that is repeated or followed costs no pass of the model.

    Vectors are shared and must not be changed.
    """

    def __init__(self, embedder: TextEmbedder, model: ModelState) -> None:
        self._embedder = embedder
        self._model = model
        self._vectors: LRUCache[tuple[int, tuple[str, ...]], Vectors] = LRUCache(_REMEMBERED)

    async def text_vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Return the [dim] unit vector of a phrase: of a short one the mean over `templates`. Raises NotReadyError."""
        asked = forms(text, templates)
        epoch = self._model.epoch
        key = epoch, asked
        if (known := self._vectors.get(key)) is not None:
            return known
        # Texts that are asked for at once are embedded in one pass.
        vectors = await asyncio.gather(*map(self._embedder.embed, asked))
        vector: Vectors = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
        vector = vector / np.linalg.norm(vector)
        if epoch == self._model.epoch:
            self._vectors[key] = vector
        return vector


async def embed_many(cache: TextVectorCache, texts: Sequence[str], templates: Sequence[str]) -> Vectors:
    """Return the vectors of texts, [m, dim], a few at a time: queries go on in between. Raises NotReadyError."""
    found: list[Vectors] = []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        found += await asyncio.gather(*(cache.text_vector(each, templates) for each in some))
    return np.stack(found)


class ImageEmbedder(Protocol):
    """Embeds a photo that is not in the library."""

    async def image_vector(self, path: str) -> Vectors:
        """Return the [dim] unit vector of a file. Raises UnreadableImageError."""


class QueryEmbedder:
    """Turns aims into a vector: `embed_aims` on the event loop, then `query_vector` on the rank thread."""

    def __init__(
        self,
        *,
        text_vectors: TextVectorCache,
        image_embedder: ImageEmbedder,
        model: ModelState,
        library: Library,
        index: VectorIndex,
        home: str,
        library_name: Callable[[str], str] = lambda path: path,
        is_indexed: Callable[[str], bool] | None = None,
    ) -> None:
        """`library_name` returns a path as the library knows it, which may have other names on this machine.

        `is_indexed` says whether a photo has its vector in the index, where that is not every photo of the library.
        """
        self._text_vectors = text_vectors
        self._image_embedder = image_embedder
        self._model = model
        self._library = library
        self._index = index
        self._home = home
        self._library_name = library_name
        self._is_indexed = is_indexed or library.__contains__

    def check_aims(self, aims: Sequence[Aim]) -> None:
        """Raise the reason why these aims cannot be embedded, as far as it is known at once."""
        self._model.check_ready()
        if self._model.english_only:
            for aim in aims:
                if isinstance(aim, Phrase):
                    check_script(aim.text, self._model.name)

    async def embed_aims(self, aims: Sequence[Aim], cwd: str | None, templates: Sequence[str]) -> list[EmbeddedAim]:
        """Embed each aim that has no vector in the index.

        The result is valid for a call that is submitted to the rank thread at once, before anything else is awaited.
        Raises QueryError, UnsupportedQueryError, NotReadyError, UnreadableImageError or what is wrong with the model.
        """
        self.check_aims(aims)
        embedded = await asyncio.gather(*(self._embed_aim(aim, cwd, templates) for aim in aims))
        # A photo may have left the library while another aim was embedded.
        while (path := next(filter(self._has_left, embedded), None)) is not None:
            vector = await self._image_embedder.image_vector(path)
            embedded = [vector if each is path else each for each in embedded]
        return embedded

    def query_vector(self, aims: Sequence[Aim], embedded: Sequence[EmbeddedAim], calibration: Calibration) -> Vectors:
        """Return the [dim] unit vector that photos are to be near to. Runs on the rank thread.

        Raises QueryError where the aims cancel each other out.
        """
        vectors = np.stack([self._stored_vector(each) if isinstance(each, str) else each for each in embedded])
        if len(aims) == 1:
            single: Vectors = vectors[0] * np.sign(np.float32(aims[0].weight))
            return single
        spread = score_std(calibration, vectors, self._index.scores(vectors))
        combined = combine_vectors(vectors, [aim.weight for aim in aims], spread)
        if combined is None:
            start, end = aims[0].place.start, aims[-1].place.end
            raise QueryError(
                "the parts of the query cancel each other out", "take one of them away", start=start, end=end
            )
        return combined

    async def _embed_aim(self, aim: Aim, cwd: str | None, templates: Sequence[str]) -> EmbeddedAim:
        match aim:
            case Phrase(text):
                return await self._text_vectors.text_vector(text, templates)
            case Like():
                path = self._library_name(resolve_like_path(aim, cwd, self._home))
                known = self._library.find_spelling(path)
                if known is not None and self._is_indexed(known):
                    return known
                return await self._image_embedder.image_vector(path)

    def _has_left(self, embedded: EmbeddedAim) -> TypeGuard[str]:
        return isinstance(embedded, str) and not self._is_indexed(embedded)

    def _stored_vector(self, path: str) -> Vectors:
        vector = self._index.vector(path)
        assert vector is not None, "library and index change together"
        return vector


def resolve_like_path(aim: Like, cwd: str | None, home: str) -> str:
    """Return the absolute path of a photo; "~" is `home`. Raises QueryError for a relative path without `cwd`."""
    path = expand_typed(aim.path, home)
    if not path.startswith("/"):
        if cwd is None:
            hint = "give the whole path, from / on, or the parameter cwd"
            raise QueryError(f"like:{aim.path} is a relative path", hint, start=aim.place.start, end=aim.place.end)
        path = posixpath.join(cwd, path)
    return posixpath.normpath(path)


def check_script(query: str, model: str) -> None:
    """Raise UnsupportedQueryError when most letters are not Latin.

    An English model never learned other scripts, and its hits would be noise.
    """
    letters = [char for char in query if char.isalpha()]
    foreign = [char for char in letters if "LATIN" not in unicodedata.name(char, "")]
    if len(foreign) * 2 <= len(letters):
        return
    raise UnsupportedQueryError(
        f'the model "{model}" understands English only',
        "ask in English, or change to a multilingual model with `phsearch-client model use multilingual`",
    )


def forms(text: str, templates: Sequence[str]) -> tuple[str, ...]:
    """Return the texts by whose vectors a phrase is searched for: of a short one the mean over `templates`."""
    text = spelled_out(text)
    short = one_wording(text)
    return (text,) if short is None else tuple(template.replace("{}", short) for template in templates)


def spelled_out(text: str) -> str:
    """Return a text with the names of its emoji in their place: models know words."""
    return " ".join("".join(map(_character, text)).split()) if not text.isascii() else text


def _character(char: str) -> str:
    name = unicodedata.name(char, "").lower()
    if char in _EMOJI_PARTS or "fitzpatrick" in name:
        return ""
    if unicodedata.category(char) != "So":
        return char
    # Not the face: people mean the animal.
    return f" {_STYLE.sub('', name).removesuffix(' face')} "


def one_wording(phrase: str) -> str | None:
    """Return the wording of a short phrase, None for a longer one, which is asked as it is."""
    folded = _LEAD.sub("", " ".join(phrase.lower().split()))
    words = folded.split()
    if not words or len(words) > SHORT:
        return None
    return " ".join([*words[:-1], _singular(words[-1])])


def _singular(word: str) -> str:
    """Return the form of a noun that is asked: the one that people use for it, mostly the singular."""
    known = everyday.nouns()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in known:
        return word
    if f"{word}s" in known:
        return f"{word}s"
    if word.endswith("men") and (f"{word[:-2]}an" in known or word.endswith("women")):
        return f"{word[:-2]}an"
    candidates = [word[: -len(end)] + other for end, other in _ENDS if word.endswith(end)]
    for candidate in candidates:
        if candidate in known:
            return candidate
    regular = word.endswith("s") and not word.endswith(_ALWAYS_PLURAL) and len(word) >= _SHORTEST
    return candidates[0] if regular else word


_ENDS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"))
