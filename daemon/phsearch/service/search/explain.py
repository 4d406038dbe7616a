"""Explains where a photo is: a sentence for its owner and a verdict for programs.

The checks go from the outside in: is the path watched, is its root online, can the file be read, is it excluded, is it
pending, did it fail, is it indexed, and as which content. The first check that applies gives the verdict.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.service.threads import TimeoutExecutor
from phsearch.wire.methods import METHODS
from phsearch.wire.results.why import Explanation, Match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.relevance import Band
    from phsearch.domain.search.search import Rank
    from phsearch.domain.types import DateSource, Failure, PathStatus, Photo
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.model_state import ModelState
    from phsearch.wire.results.why import VerdictKind

_T = TypeVar("_T")
_DISK_TIMEOUT = 5.0
_DATE_SOURCES: Mapping[DateSource, str] = {
    "exif": "the time of exposure in its EXIF",
    "exif-digitized": "the time of digitizing in its EXIF",
    "xmp": "the time of exposure in its XMP",
    "iptc": "the date of creation in its IPTC",
    "xmp-created": "the date of creation in its XMP",
    "png": "the creation time in its PNG text",
    "gps": "the time of the GPS satellites in its EXIF, in UTC",
    "raw": "the RAW file's header",
    "exif-modified": "the time of the last change in its EXIF",
    "sidecar": "a file beside it, .xmp or .json",
    "name": "its file name",
}
"""What to call the place of a date."""
_UNKNOWN = frozenset({"outside", "missing"})
"""Verdicts of a path that may be another spelling of a known one."""
_USUAL_LIMIT = next(param.default for param in METHODS["search"].params if param.name == "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict with its sentence; `facts` say the same for programs, as members of `Explanation`."""

    kind: VerdictKind
    text: str
    facts: Mapping[str, str | float] = field(default_factory=dict)


class PathExplainer:
    """Explains one path at a time."""

    def __init__(
        self,
        *,
        roots: Roots,
        rules: Callable[[], IgnoreRules],
        library: Library,
        router: PipelineRouter,
        monitors: Mapping[str, RootMonitor],
        searcher: Searcher,
        model: ModelState,
        stat_path: Callable[[str, str | None], PathStatus],
        throttle: IndexingThrottle,
        follow: Callable[[], bool],
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._library = library
        self._router = router
        self._monitors = monitors
        self._searcher = searcher
        self._model = model
        self._stat_path = stat_path
        self._throttle = throttle
        self._disks: dict[str, TimeoutExecutor] = {}
        self._follow = follow

    async def explain(self, path: str, query: str | None) -> Explanation:
        """Return where a photo is, and with a query how well it matches.

        Raises NotReadyError or what else prevents a search, but only if the photo can have a rank.
        """
        root = self._roots.root_of(path)
        verdict = await self._outside(path) if root is None else await self._inside(path, root)
        known = self._library.find_spelling(path) if verdict.kind in _UNKNOWN else None
        if known is not None and known != path:
            verdict = await self._renamed(known)
        path = str(verdict.facts.get("real_path", path))
        rank = None
        if query is not None and path in self._library:
            rank = await self._searcher.rank_of(query, path)
        facts: dict[str, Any] = dict(verdict.facts)
        return Explanation(
            path=path,
            verdict=verdict.kind,
            findable=path in self._library or bool(facts.get("photos")),
            text=verdict.text,
            root=self._roots.root_of(path),
            match=None if query is None or rank is None else _match(query, *rank),
            **facts,
        )

    async def _on_disk(self, root: str, call: Callable[[], _T]) -> _T:
        """Run a call to the disk of a root, "" for any other, for a short time only. Raises OSError, TimeoutError."""
        disk = self._disks.setdefault(root, TimeoutExecutor(f"why {root}", _DISK_TIMEOUT, max_concurrent=1))
        return await disk.run(lambda _tick: call())

    async def _outside(self, path: str) -> Verdict:
        watched = f"it lies in no watched folder; watched: {', '.join(self._roots)}"
        try:
            real = (await self._on_disk("", lambda: self._stat_path(path, None))).real
        except (OSError, ValueError):
            real = path
        if real == path or self._roots.root_of(real) is None:
            return Verdict(kind="outside", text=watched)
        return await self._renamed(real)

    async def _renamed(self, real: str) -> Verdict:
        """Explain a path of a root for someone who named it otherwise."""
        verdict = await self._inside(real, self._roots.root_of(real) or "")
        return replace(
            verdict, text=f"its real name is {real}: {verdict.text}", facts={**verdict.facts, "real_path": real}
        )

    async def _inside(self, path: str, root: str) -> Verdict:
        monitor = self._monitors[root]
        if monitor.state == "offline":
            return _offline(path, monitor, self._library.get(path), monitor.detail)
        try:
            status = await self._on_disk(root, lambda: self._stat_path(path, root))
        except TimeoutError:
            return _offline(path, monitor, self._library.get(path), "it does not answer")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Verdict(kind="unreadable", text=f"it cannot be looked at: {reason}")
        return self._excluded(path, status) or self._present(path, monitor, status)

    def _excluded(self, path: str, status: PathStatus) -> Verdict | None:
        rel, rules = self._roots.rel_path(path), self._rules()
        if status.link and not self._follow():
            clause = f"{status.link} is a symbolic link, and links are not followed (watch.follow_symlinks)"
        elif status.kind == "nothing":
            clause = ""
        elif status.kind == "folder":
            # The same as for a photo in it; the root itself is always admitted.
            clause = rules.why_not(f"{rel}/x.jpg") or "" if rel else ""
        else:
            clause = rules.why_not(rel) or ""
            if not clause and status.kind == "file" and status.fingerprint is not None:
                clause = _too_small(status.fingerprint.size, rules)
        return Verdict(kind="excluded", text=f"it is left out: {clause}", facts={"reason": clause}) if clause else None

    def _present(self, path: str, monitor: RootMonitor, status: PathStatus) -> Verdict:
        photo = self._library.get(path)
        match status.kind:
            case "nothing" if photo is not None and monitor.offline(path):
                return _offline(path, monitor, photo, monitor.detail)
            case "nothing":
                still = "; the index still has it until the next scan" if photo is not None else ""
                return Verdict(kind="missing", text=f"there is no such file{still}")
            case "folder":
                return self._folder(path)
            case _:
                return self._file(path, monitor, status)

    def _file(self, path: str, monitor: RootMonitor, status: PathStatus) -> Verdict:
        photo, failure, pending = self._library.get(path), self._library.failure(path), self._pending(path)
        if photo is not None and photo.fingerprint != status.fingerprint:
            return _changed(photo, str(self._model.named), pending, monitor)
        if photo is not None:
            return _indexed(photo, str(self._model.named))
        if pending is not None:
            return pending
        return _failed(failure) if failure is not None else _unseen(monitor)

    def _folder(self, path: str) -> Verdict:
        known = list(self._library.under(path))
        errors = sum(self._library.failure(each) is not None for each in known)
        photos, pending = len(known) - errors, len(self._router.under(path))
        return Verdict(
            kind="folder",
            text=f"it is a folder: {photos:,} photos indexed, {errors:,} could not be read, {pending:,} on their way",
            facts={"photos": photos, "errors": errors, "pending": pending},
        )

    def _pending(self, path: str) -> Verdict | None:
        """Return where on its way to the index a file is, None if it is not pending."""
        pipeline = self._router.pipeline_of(path)
        stage = pipeline.stage_of(path) if pipeline is not None else None
        if pipeline is None or stage is None:
            return None
        if stage == "settling":
            text = "it was touched a moment ago and is read as soon as it stops changing"
            return Verdict(kind="settling", text=text)
        position = pipeline.embed_position(path)
        if position is None:
            return Verdict(kind="indexing", text="it is being indexed at this moment")
        at, of = position
        text = f"it waits to be indexed, number {at:,} of {of:,}"
        facts: dict[str, str | float] = {"position": at, "of": of}
        if self._throttle.state.state == "full":
            return Verdict(kind="queued", text=text, facts=facts)
        pace = str(self._throttle.state)
        return Verdict(kind="queued", text=f"{text}; indexing is {pace}", facts={**facts, "pace": pace})


def _offline(path: str, monitor: RootMonitor, photo: Photo | None, reason: str) -> Verdict:
    if monitor.state == "offline":
        text = f"its folder {monitor.root} is offline: {reason}"
    else:
        text = f"its file is not there now: {reason}"
    facts: dict[str, str | float] = {"reason": reason}
    if (seen := monitor.seen_at(path)) is not None:
        text += f"; last there {_local_time(seen)}"
        facts["last_seen"] = round(seen, 3)
    if photo is None:
        return Verdict(kind="offline", text=f"{text}; the photo is not indexed", facts=facts)
    facts["indexed_at"] = round(photo.indexed_at, 3)
    return Verdict(kind="offline", text=f"{text}; the photo is indexed and stays findable", facts=facts)


def _too_small(size: int, rules: IgnoreRules) -> str:
    return "" if rules.allows_size(size) else f"it has {size:,} bytes, and watch.min_bytes is {rules.min_bytes:,}"


def _indexed(photo: Photo, model: str) -> Verdict:
    text = f"it is indexed, since {_local_time(photo.indexed_at)} with the model {model}"
    facts: dict[str, str | float] = {"indexed_at": round(photo.indexed_at, 3), "model": model}
    if photo.taken_at is None:
        return Verdict(kind="indexed", text=f"{text}; nothing says when it was taken", facts=facts)
    source = photo.date_source
    facts["taken_at"] = photo.taken_at
    text += f"; taken {photo.taken_at.replace('T', ' ')}"
    if source is not None:
        facts["date_source"] = source
        text += f", by {_DATE_SOURCES[source]}"
    return Verdict(kind="indexed", text=text, facts=facts)


def _changed(photo: Photo, model: str, pending: Verdict | None, monitor: RootMonitor) -> Verdict:
    indexed = _indexed(photo, model)
    text, facts = (_when_seen(monitor), {}) if pending is None else (pending.text, pending.facts)
    return Verdict(
        kind="changed",
        text=f"{indexed.text}, but has changed since: {text}",
        facts={**indexed.facts, **facts},
    )


def _failed(failure: Failure) -> Verdict:
    times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
    return Verdict(
        kind="failed",
        text=f"it could not be indexed: {failure.reason} (tried {times}, last {_local_time(failure.failed_at)})",
        facts={"reason": failure.reason, "attempts": failure.attempts, "failed_at": round(failure.failed_at, 3)},
    )


def _unseen(monitor: RootMonitor) -> Verdict:
    return Verdict(kind="unseen", text=f"it has not been seen yet: {_when_seen(monitor)}")


def _when_seen(monitor: RootMonitor) -> str:
    """Return when the root notices the file as it is now."""
    if monitor.busy:
        return f"{monitor.root} is still being scanned"
    if monitor.unwatched_reason:
        return (
            f"{monitor.root} is scanned on a timer ({monitor.unwatched_reason}); `phsearch-client rescan` does it now"
        )
    return "if it stays so, `phsearch-client rescan` looks for it now"


def _match(query: str, found: Rank, band: Band | None, best: Band | None) -> Match:
    """Return the rank of a photo for a query, and a sentence about it."""
    relevance = found.photo.relevance
    return Match(
        query=query,
        rank=found.rank,
        photos=found.total,
        score=round(found.photo.score, 4),
        passes=found.passes,
        relevance=None if relevance is None else round(relevance, 4),
        band=band,
        text=_match_text(query, found, band, best),
    )


def _match_text(query: str, found: Rank, band: Band | None, best: Band | None) -> str:
    rank, photos, score, relevance = found.rank, found.total, found.photo.score, found.photo.relevance
    if found.by_date:
        return _filters_text(query, found)
    if not found.passes:
        return f'a filter of "{query}" leaves it out; its score is {score:.3f}'
    text = f'for "{query}" it has rank {rank:,} of {photos:,}, score {score:.3f}'
    if relevance is not None:
        text += f", relevance {relevance:.2f}"
    if rank > _USUAL_LIMIT:
        text += f"; a search shows the best {_USUAL_LIMIT} unless it asks for more, here with --limit {rank}"
    if band == "none":
        text += "; a search leaves out what is so improbable unless it is asked with --all"
    if band == best == "weak":
        text += "; a search shows weak matches beside better ones, of which there are none, or with --all"
    return text + f"; a --min-score above {score:.3f} would hide it"


def _filters_text(query: str, found: Rank) -> str:
    if not found.passes:
        return f'a filter of "{query}" leaves it out'
    text = f'it passes every filter of "{query}": by date it is number {found.rank:,} of {found.total:,}'
    if found.rank > _USUAL_LIMIT:
        text += f"; a search shows the newest {_USUAL_LIMIT} unless it asks for more, here with --limit {found.rank}"
    return text


def _local_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
