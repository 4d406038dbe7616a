"""Searches, photos that could not be read, and why a photo is found or not."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from phsearch.domain.query import describe
from phsearch.domain.query.ast import Phrase
from phsearch.service.search.searcher import SearchRequest
from phsearch.wire.framing import fit_to_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.query.ast import Query
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.sync_barrier import SyncBarrier
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.search.explain import PathExplainer
    from phsearch.service.search.searcher import RankedHit, Searcher
    from phsearch.service.throttle import IndexingThrottle


class SearchMethods:
    """`search`, `library.names`, `library.errors`, `library.why`."""

    def __init__(
        self,
        *,
        searcher: Searcher,
        router: PipelineRouter,
        library: Library,
        monitors: Mapping[str, RootMonitor],
        explainer: PathExplainer,
        sync_barrier: SyncBarrier,
        throttle: IndexingThrottle,
    ) -> None:
        self._searcher = searcher
        self._router = router
        self._library = library
        self._monitors = monitors
        self._explainer = explainer
        self._sync_barrier = sync_barrier
        self._throttle = throttle

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {
            "search": self._search,
            "library.names": self._names,
            "library.errors": self._errors,
            "library.why": self._explain,
        }

    async def _search(self, params: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        synced = {}
        sync = params.pop("sync")
        request = SearchRequest(**params)
        if sync is not None:
            self._searcher.check(request)  # a refusal does not wait for the sync
            synced["synced"] = await self._sync_barrier.wait_for_sync(sync)
        results = await self._searcher.search(request)
        return {
            "hits": fit_to_line(map(self._hit, results.hits)),
            "understood": _query_answer(results.query),
            "matching": results.matching,
            "hidden": results.hidden,
            "closest": _rounded(results.closest),
            "pending": self._router.pending,
            "held": self._throttle.pause_reason,
            "photos": len(self._library),
            "took_ms": round((time.perf_counter() - start) * 1000, 2),
        } | synced

    def _hit(self, hit: RankedHit) -> dict[str, Any]:
        photo = hit.photo
        monitor = self._monitors[photo.root]
        offline = monitor.offline(photo.path)
        return {
            "path": photo.path,
            "score": round(hit.score, 4),
            "relevance": _rounded(hit.relevance),
            "band": hit.band,
            "share": _rounded(hit.share),
            "more": hit.more,
            "root": photo.root,
            "taken_at": photo.info.taken_at,
            "width": photo.info.width,
            "height": photo.info.height,
            "format": photo.info.format,
            "camera": photo.info.camera,
            "indexed_at": photo.indexed_at,
            "offline": offline,
            "last_seen": monitor.seen_at(photo.path) if offline else None,
        }

    async def _names(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"names": await self._searcher.names_beginning(**params)}

    async def _errors(self, params: dict[str, Any]) -> dict[str, Any]:
        failures = self._library.failures()
        page = failures[params["offset"] : params["offset"] + params["limit"]]
        rows = (
            {
                "path": failure.path,
                "reason": failure.reason,
                "attempts": failure.attempts,
                "failed_at": round(failure.failed_at, 3),
            }
            for failure in page
        )
        return {"errors": fit_to_line(rows), "total": len(failures)}

    async def _explain(self, params: dict[str, Any]) -> dict[str, Any]:
        return await self._explainer.explain(params["path"], params["query"])


def _query_answer(query: Query) -> dict[str, Any]:
    """Return how the query was read."""
    aims = [
        {"text" if isinstance(aim, Phrase) else "like": aim.text if isinstance(aim, Phrase) else aim.path}
        | {"weight": aim.weight}
        for aim in query.aims
    ]
    return {"aims": aims, "filters": [dataclasses.asdict(said) for said in describe(query)]}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
