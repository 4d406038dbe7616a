"""Why a photo is found or not."""

from typing import Annotated, Literal

from phsearch.wire.record import Record
from phsearch.wire.results.search import Band

VerdictKind = Literal[
    "outside", "offline", "missing", "unreadable", "excluded", "folder", "unseen", "settling", "queued", "indexing",
    "failed", "indexed", "changed",
]  # fmt: skip


class Match(Record):
    """How well one photo matches a query."""

    query: str
    rank: int
    photos: Annotated[int, "how many the rank is among"]
    score: float
    passes: Annotated[bool, "whether it passes the filters"] = True
    relevance: float | None
    band: Band | None
    text: str


class Explanation(Record):
    """Where a photo is, and why it is found or not. Which of the facts there are depends on the verdict."""

    path: str
    verdict: VerdictKind
    findable: bool
    text: str
    root: str | None
    reason: str | None = None
    last_seen: float | None = None
    indexed_at: float | None = None
    model: str | None = None
    taken_at: Annotated[str | None, "ISO 8601; only a day where no time is stated"] = None
    date_source: Annotated[str | None, "where the date stands, such as exif, xmp or name"] = None
    attempts: int | None = None
    failed_at: float | None = None
    position: Annotated[int | None, "its place among those that wait"] = None
    of: Annotated[int | None, "how many wait"] = None
    pace: str | None = None
    photos: Annotated[int | None, "of a folder: how many are indexed"] = None
    errors: Annotated[int | None, "of a folder: how many could not be read"] = None
    pending: Annotated[int | None, "of a folder: how many are on their way"] = None
    real_path: Annotated[str | None, "its name without symbolic links, where that differs"] = None
    match: Annotated[Match | None, "null without a query or a vector"]
