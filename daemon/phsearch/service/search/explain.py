"""One answer to "where is my photo": a sentence for its owner and a verdict for programs.

The questions go from the outside in: is it watched, is its folder there, is the file there, is it admitted, has it been
seen, where on its way is it, did it fail, is it indexed, and as what. The first that settles the matter is the answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.service.threads import TimeoutExecutor
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import PathStatus
    from phsearch.service.indexing.pipeline import RootPipeline
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.model_state import ModelState

_T = TypeVar("_T")
_PATIENCE = 5.0
_SHOWN = next(param.default for param in METHODS["search"].params if param.name == "limit")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict with its sentence; `facts` are the same for programs."""

    kind: str
    text: str
    facts: Mapping[str, Any]


class PathExplainer:
    """Looks at one path from all sides."""

    def __init__(
        self,
        roots: Roots,
        rules: Callable[[], IgnoreRules],
        library: Library,
        router: PipelineRouter,
        monitors: Mapping[str, RootMonitor],
        searcher: Searcher,
        model: ModelState,
        status: Callable[[str, str | None], PathStatus],
        throttle: IndexingThrottle,
        *,
        follow: Callable[[], bool],
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._library = library
        self._router = router
        self._monitors = monitors
        self._searcher = searcher
        self._model = model
        self._stat_path = status
        self._throttle = throttle
        self._disks: dict[str, TimeoutExecutor] = {}
        self._follow = follow

    async def explain(self, path: str, query: str | None) -> dict[str, Any]:
        """Give {path, verdict, findable, text, root, ...}, and the `match` with a query.

        Raises NotReadyError or what else stands in the way of a search, but only where there is a rank to be told.
        """
        root = self._roots.root_of(path)
        case = await self._outside(path) if root is None else await self._inside(path, root)
        path = case.facts.get("real_path", path)
        findable = path in self._library or bool(case.facts.get("photos"))
        answer = {"path": path, "verdict": case.kind, "findable": findable, "text": case.text}
        answer |= {"root": self._roots.root_of(path), **case.facts, "match": None}
        if query is not None and path in self._library:
            answer["match"] = await self._match(path, query)
        return answer

    async def _ask_disk(self, about: str, question: Callable[[], _T]) -> _T:
        """Ask the disk, for a short while only: somebody waits. Raises OSError, TimeoutError."""
        disk = self._disks.setdefault(about, TimeoutExecutor(f"why {about}", _PATIENCE, max_concurrent=1))
        return await disk.run(lambda _tick: question())

    async def _outside(self, path: str) -> Verdict:
        watched = f"it lies in no watched folder; watched: {', '.join(self._roots)}"
        try:
            real = (await self._ask_disk("", lambda: self._stat_path(path, None))).real
        except (OSError, ValueError):
            real = path
        if real == path or (root := self._roots.root_of(real)) is None:
            return Verdict("outside", watched, {})
        case = await self._inside(real, root)
        return Verdict(case.kind, f"its real name is {real}: {case.text}", {**case.facts, "real_path": real})

    async def _inside(self, path: str, root: str) -> Verdict:
        monitor = self._monitors[root]
        if monitor.state == "offline":
            return self._offline(path, monitor, monitor.detail)
        try:
            status = await self._ask_disk(root, lambda: self._stat_path(path, root))
        except TimeoutError:
            return self._offline(path, monitor, "it does not answer")
        except OSError as error:
            return Verdict("unreadable", f"it cannot be looked at: {(error.strerror or str(error)).lower()}", {})
        return self._excluded(path, status) or self._seen(path, monitor, status)

    def _seen(self, path: str, monitor: RootMonitor, status: PathStatus) -> Verdict:
        match status.kind:
            case "nothing" if path in self._library and monitor.offline(path):
                return self._offline(path, monitor, monitor.detail)
            case "nothing":
                still = "; the index still has it until the next scan" if path in self._library else ""
                return Verdict("missing", f"there is no such file{still}", {})
            case "folder":
                return self._folder(path)
            case _:
                return self._file(path, monitor, status)

    def _offline(self, path: str, monitor: RootMonitor, reason: str) -> Verdict:
        whole = monitor.state == "offline"
        text = f"its folder {monitor.root} is offline: {reason}" if whole else f"its file is not there now: {reason}"
        facts: dict[str, Any] = {"reason": reason}
        if (seen := monitor.seen_at(path)) is not None:
            text += f"; last there {_time(seen)}"
            facts["last_seen"] = round(seen, 3)
        photo = self._library.get(path)
        if photo is None:
            return Verdict("offline", f"{text}; the photo is not indexed", facts)
        facts["indexed_at"] = round(photo.indexed_at, 3)
        return Verdict("offline", f"{text}; the photo is indexed and stays findable", facts)

    def _excluded(self, path: str, status: PathStatus) -> Verdict | None:
        rel = self._roots.rel_path(path)
        if status.link and not self._follow():
            clause = f"{status.link} is a symbolic link, and links are not followed (watch.follow_symlinks)"
        elif status.kind == "nothing":
            clause = ""
        elif status.kind == "folder":
            # What a photo in it would be told; the root itself is always admitted.
            clause = self._rules().why_not(f"{rel}/x.jpg") or "" if rel else ""
        else:
            clause = self._rules().why_not(rel) or ""
            if not clause and status.kind == "file" and status.fingerprint is not None:
                clause = self._too_small(status.fingerprint.size)
        return Verdict("excluded", f"it is left out: {clause}", {"reason": clause}) if clause else None

    def _too_small(self, size: int) -> str:
        rules = self._rules()
        if rules.allows_size(size):
            return ""
        return f"it has {size:,} bytes, and watch.min_bytes is {rules.min_bytes:,}"

    def _folder(self, path: str) -> Verdict:
        known = list(self._library.under(path))
        errors = sum(self._library.failure(each) is not None for each in known)
        photos, pending = len(known) - errors, len(self._router.under(path))
        text = f"it is a folder: {photos:,} photos indexed, {errors:,} could not be read, {pending:,} on their way"
        return Verdict("folder", text, {"photos": photos, "errors": errors, "pending": pending})

    def _file(self, path: str, monitor: RootMonitor, status: PathStatus) -> Verdict:
        pipeline = self._router.pipeline_of(path)
        photo, failure = self._library.get(path), self._library.failure(path)
        way = self._pending_verdict(path, pipeline) if pipeline is not None else None
        if photo is not None:
            name, since = self._model.label, _time(photo.indexed_at)
            facts = {"indexed_at": round(photo.indexed_at, 3), "model": name}
            text = f"it is indexed, since {since} with the model {name}"
            if photo.fingerprint == status.fingerprint:
                return Verdict("indexed", text, facts)
            then = way.text if way is not None else _unseen(monitor)
            return Verdict("changed", f"{text}, but has changed since: {then}", {**facts, **(way.facts if way else {})})
        if way is not None:
            return way
        if failure is not None:
            times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
            text = f"it could not be indexed: {failure.reason} (tried {times}, last {_time(failure.failed_at)})"
            facts = {"reason": failure.reason, "attempts": failure.attempts, "failed_at": round(failure.failed_at, 3)}
            return Verdict("failed", text, facts)
        return Verdict("unseen", f"it has not been seen yet: {_unseen(monitor)}", {})

    def _pending_verdict(self, path: str, pipeline: RootPipeline) -> Verdict | None:
        stage = pipeline.stage_of(path)
        if stage is None:
            return None
        if stage == "settling":
            return Verdict("settling", "it was touched a moment ago and is read as soon as it stops changing", {})
        position = pipeline.embed_position(path)
        if position is None:
            return Verdict("indexing", "it is being indexed at this moment", {})
        at, of = position
        text, facts = f"it waits to be indexed, number {at:,} of {of:,}", {"position": at, "of": of}
        if self._throttle.state.state == "full":
            return Verdict("queued", text, facts)
        pace = str(self._throttle.state)
        return Verdict("queued", f"{text}; indexing is {pace}", {**facts, "pace": pace})

    async def _match(self, path: str, query: str) -> dict[str, Any] | None:
        found = await self._searcher.rank_of(query, path)
        if found is None:
            return None
        found_rank, band = found
        rank, photos, score = found_rank.rank, found_rank.total, found_rank.photo.score
        relevance = found_rank.photo.relevance
        match = {"query": query, "rank": rank, "photos": photos, "score": round(score, 4), "passes": found_rank.passes}
        match |= {"relevance": None if relevance is None else round(relevance, 4), "band": band}
        if not found_rank.passes:
            return match | {"text": f'a filter of "{query}" leaves it out; its score is {score:.3f}'}
        text = f'for "{query}" it has rank {rank:,} of {photos:,}, score {score:.3f}'
        if relevance is not None:
            text += f", relevance {relevance:.2f}"
        if rank > _SHOWN:
            text += f"; a search shows the best {_SHOWN} unless it asks for more, here with --limit {rank}"
        if band == "none":
            text += "; a search leaves out what is so improbable unless it is asked with --all"
        return match | {"text": text + f"; a --min-score above {score:.3f} would hide it"}


def _unseen(monitor: RootMonitor) -> str:
    if monitor.busy:
        return f"{monitor.root} is still being scanned"
    if monitor.unwatched_reason:
        return (
            f"{monitor.root} is scanned on a timer ({monitor.unwatched_reason}); `phsearch-client rescan` does it now"
        )
    return "if it stays so, `phsearch-client rescan` looks for it now"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
