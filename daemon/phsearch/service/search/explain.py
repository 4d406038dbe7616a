"""One answer to "where is my photo": a sentence for its owner and a verdict for programs.

The questions go from the outside in: is it watched, is its folder there, is the file there, is it admitted, has it been
seen, where on its way is it, did it fail, is it indexed, and as what. The first that settles the matter is the answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.service.threads import RootDisk
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots.ignore_rules import Rules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Sight
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.roots.monitor import RootKeeper
    from phsearch.service.search.searcher import Searcher
    from phsearch.service.throttle import Governor
    from phsearch.service.workers.model_state import ModelState

_T = TypeVar("_T")
_PATIENCE = 5.0
_SHOWN = next(param.default for param in METHODS["search"].params if param.name == "limit")


@dataclass(frozen=True, slots=True)
class _Case:
    """A verdict with its sentence; `facts` are the same for programs."""

    verdict: str
    text: str
    facts: Mapping[str, Any]


class Why:
    """Looks at one path from all sides."""

    def __init__(
        self,
        roots: Roots,
        rules: Callable[[], Rules],
        library: Library,
        pipelines: Pipelines,
        keepers: Mapping[str, RootKeeper],
        searcher: Searcher,
        model: ModelState,
        sight: Callable[[str, str | None], Sight],
        governor: Governor,
        *,
        follow: Callable[[], bool],
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._library = library
        self._pipelines = pipelines
        self._keepers = keepers
        self._searcher = searcher
        self._model = model
        self._sight = sight
        self._governor = governor
        self._disks: dict[str, RootDisk] = {}
        self._follow = follow

    async def explain(self, path: str, query: str | None) -> dict[str, Any]:
        """Give {path, verdict, findable, text, root, ...}, and the `match` with a query.

        Raises NotReadyError or what else stands in the way of a search, but only where there is a rank to be told.
        """
        root = self._roots.of(path)
        case = await self._outside(path) if root is None else await self._inside(path, root)
        path = case.facts.get("real_path", path)
        findable = path in self._library or bool(case.facts.get("photos"))
        answer = {"path": path, "verdict": case.verdict, "findable": findable, "text": case.text}
        answer |= {"root": self._roots.of(path), **case.facts, "match": None}
        if query is not None and path in self._library:
            answer["match"] = await self._match(path, query)
        return answer

    async def _ask(self, about: str, question: Callable[[], _T]) -> _T:
        """Ask the disk, for a short while only: somebody waits. Raises OSError, TimeoutError."""
        disk = self._disks.setdefault(about, RootDisk(f"why {about}", _PATIENCE, 1))
        return await disk.ask(lambda _tick: question())

    async def _outside(self, path: str) -> _Case:
        watched = f"it lies in no watched folder; watched: {', '.join(self._roots)}"
        try:
            real = (await self._ask("", lambda: self._sight(path, None))).real
        except (OSError, ValueError):
            real = path
        if real == path or (root := self._roots.of(real)) is None:
            return _Case("outside", watched, {})
        case = await self._inside(real, root)
        return _Case(case.verdict, f"its real name is {real}: {case.text}", {**case.facts, "real_path": real})

    async def _inside(self, path: str, root: str) -> _Case:
        keeper = self._keepers[root]
        if keeper.state == "offline":
            return self._offline(path, keeper, keeper.detail)
        try:
            sight = await self._ask(root, lambda: self._sight(path, root))
        except TimeoutError:
            return self._offline(path, keeper, "it does not answer")
        except OSError as error:
            return _Case("unreadable", f"it cannot be looked at: {(error.strerror or str(error)).lower()}", {})
        return self._excluded(path, sight) or self._seen(path, keeper, sight)

    def _seen(self, path: str, keeper: RootKeeper, sight: Sight) -> _Case:
        match sight.kind:
            case "nothing" if path in self._library and keeper.offline(path):
                return self._offline(path, keeper, keeper.detail)
            case "nothing":
                still = "; the index still has it until the next scan" if path in self._library else ""
                return _Case("missing", f"there is no such file{still}", {})
            case "folder":
                return self._folder(path)
            case _:
                return self._file(path, keeper, sight)

    def _offline(self, path: str, keeper: RootKeeper, reason: str) -> _Case:
        whole = keeper.state == "offline"
        text = f"its folder {keeper.root} is offline: {reason}" if whole else f"its file is not there now: {reason}"
        facts: dict[str, Any] = {"reason": reason}
        if (seen := keeper.seen_at(path)) is not None:
            text += f"; last there {_time(seen)}"
            facts["last_seen"] = round(seen, 3)
        photo = self._library.get(path)
        if photo is None:
            return _Case("offline", f"{text}; the photo is not indexed", facts)
        facts["indexed_at"] = round(photo.indexed_at, 3)
        return _Case("offline", f"{text}; the photo is indexed and stays findable", facts)

    def _excluded(self, path: str, sight: Sight) -> _Case | None:
        rel = self._roots.rel(path)
        if sight.link and not self._follow():
            clause = f"{sight.link} is a symbolic link, and links are not followed (watch.follow_symlinks)"
        elif sight.kind == "nothing":
            clause = ""
        elif sight.kind == "folder":
            # What a photo in it would be told; the root itself is always admitted.
            clause = self._rules().why_not(f"{rel}/x.jpg") or "" if rel else ""
        else:
            clause = self._rules().why_not(rel) or ""
            if not clause and sight.kind == "file" and sight.fingerprint is not None:
                clause = self._too_small(sight.fingerprint.size)
        return _Case("excluded", f"it is left out: {clause}", {"reason": clause}) if clause else None

    def _too_small(self, size: int) -> str:
        rules = self._rules()
        if rules.admits_size(size):
            return ""
        return f"it has {size:,} bytes, and watch.min_bytes is {rules.min_bytes:,}"

    def _folder(self, path: str) -> _Case:
        known = list(self._library.under(path))
        errors = sum(self._library.failure(each) is not None for each in known)
        photos, pending = len(known) - errors, len(self._pipelines.under(path))
        text = f"it is a folder: {photos:,} photos indexed, {errors:,} could not be read, {pending:,} on their way"
        return _Case("folder", text, {"photos": photos, "errors": errors, "pending": pending})

    def _file(self, path: str, keeper: RootKeeper, sight: Sight) -> _Case:
        place = self._pipelines.place(path)
        photo, failure = self._library.get(path), self._library.failure(path)
        way = self._on_its_way(path, place) if place is not None else None
        if photo is not None:
            name, since = self._model.label, _time(photo.indexed_at)
            facts = {"indexed_at": round(photo.indexed_at, 3), "model": name}
            text = f"it is indexed, since {since} with the model {name}"
            if photo.fingerprint == sight.fingerprint:
                return _Case("indexed", text, facts)
            then = way.text if way is not None else _unseen(keeper)
            return _Case("changed", f"{text}, but has changed since: {then}", {**facts, **(way.facts if way else {})})
        if way is not None:
            return way
        if failure is not None:
            times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
            text = f"it could not be indexed: {failure.reason} (tried {times}, last {_time(failure.failed_at)})"
            facts = {"reason": failure.reason, "attempts": failure.attempts, "failed_at": round(failure.failed_at, 3)}
            return _Case("failed", text, facts)
        return _Case("unseen", f"it has not been seen yet: {_unseen(keeper)}", {})

    def _on_its_way(self, path: str, place: str) -> _Case:
        if place == "settling":
            return _Case("settling", "it was touched a moment ago and is read as soon as it stops changing", {})
        position = self._pipelines.position(path)
        if position is None:
            return _Case("indexing", "it is being indexed at this moment", {})
        at, of = position
        text, facts = f"it waits to be indexed, number {at:,} of {of:,}", {"position": at, "of": of}
        if self._governor.pace.state == "full":
            return _Case("queued", text, facts)
        pace = str(self._governor.pace)
        return _Case("queued", f"{text}; indexing is {pace}", {**facts, "pace": pace})

    async def _match(self, path: str, query: str) -> dict[str, Any] | None:
        found = await self._searcher.standing(query, path)
        if found is None:
            return None
        standing, band = found
        rank, photos, score = standing.rank, standing.of, standing.candidate.score
        relevance = standing.candidate.relevance
        match = {"query": query, "rank": rank, "photos": photos, "score": round(score, 4), "passes": standing.passes}
        match |= {"relevance": None if relevance is None else round(relevance, 4), "band": band}
        if not standing.passes:
            return match | {"text": f'a filter of "{query}" leaves it out; its score is {score:.3f}'}
        text = f'for "{query}" it has rank {rank:,} of {photos:,}, score {score:.3f}'
        if relevance is not None:
            text += f", relevance {relevance:.2f}"
        if rank > _SHOWN:
            text += f"; a search shows the best {_SHOWN} unless it asks for more, here with --limit {rank}"
        if band == "none":
            text += "; a search leaves out what is so improbable unless it is asked with --all"
        return match | {"text": text + f"; a --min-score above {score:.3f} would hide it"}


def _unseen(keeper: RootKeeper) -> str:
    if keeper.busy:
        return f"{keeper.root} is still being scanned"
    if keeper.blind:
        return f"{keeper.root} is scanned on a timer ({keeper.blind}); `phsearch-client rescan` does it now"
    return "if it stays so, `phsearch-client rescan` looks for it now"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
