"""Hits, and how their query was understood."""

from typing import Annotated, Literal

from phsearch.wire.record import Record

Band = Literal["strong", "likely", "weak", "none"]


class Aim(Record):
    """Something that photos are compared with: a text or a photo."""

    text: str | None = None
    like: Annotated[str | None, "the path of the photo"] = None
    weight: Annotated[float, "negative where it is kept away from"]


class Filter(Record):
    """A condition that photos must meet."""

    key: str
    value: str
    negated: bool


class UnderstoodQuery(Record):
    """How a query was understood."""

    aims: tuple[Aim, ...] = ()
    filters: tuple[Filter, ...] = ()


class Hit(Record):
    """A photo that was found."""

    path: str
    score: Annotated[float, "the cosine between query and photo; 0 where the query only filters"]
    relevance: Annotated[float | None, "the probability that the photo is what was meant; null where nothing ranks"]
    band: Annotated[Band | None, "relevance in a word"]
    share: Annotated[float | None, "its part of the model's own softmax over the hits"]
    more: Annotated[int, "how many near-duplicates it stands for"] = 0
    root: str
    taken_at: str | None
    width: int
    height: int
    format: str
    camera: str | None
    indexed_at: Annotated[float, "seconds since the epoch"] = 0.0
    sequence: Annotated[int, "higher for each new photo, whatever the clock does; 0 from an older version"] = 0
    offline: Annotated[bool, "whether its disk is not there now"] = False
    last_seen: Annotated[float | None, "when the disk of an offline photo was last there; null if unknown"]


class SearchResult(Record):
    """The hits of a query, best first."""

    hits: tuple[Hit, ...]
    understood: UnderstoodQuery = UnderstoodQuery()
    matching: Annotated[int, "how many photos pass the filters"] = 0
    hidden: Annotated[int, "how many of them min_band, min_relevance or min_score leave out"] = 0
    closest: Annotated[float | None, "the best relevance among the hidden ones; null if there is none"]
    nearest: Annotated[tuple[Hit, ...] | None, "where no hit is left: the best few of the hidden ones"] = None
    did_you_mean: Annotated[str | None, "the query without what seems misspelt"] = None
    language: Annotated[str | None, "what the words seem to be, where the model knows only English"] = None
    pending: Annotated[int, "photos seen but not yet searchable"]
    held: Annotated[str | None, "why those are not being indexed; null if they are"]
    photos: Annotated[int, "how many are indexed"]
    took_ms: float
    synced: Annotated[
        bool | None, "where sync was asked for: whether every file closed before the question could be found"
    ] = None
