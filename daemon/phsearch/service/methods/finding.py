"""Questions about photos: which fit a text, which could not be read, and why one is found or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch.service.methods.fitting import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.types import Photo
    from phsearch.service.api import Calls
    from phsearch.service.barrier import Barrier
    from phsearch.service.governor import Governor
    from phsearch.service.rootkeeper import RootKeeper
    from phsearch.service.searcher import Searcher
    from phsearch.service.status import Status
    from phsearch.service.why import Why


class Finding:
    """`search`, `library.errors`, `library.why`."""

    def __init__(
        self,
        searcher: Searcher,
        status: Status,
        library: Library,
        keepers: Mapping[str, RootKeeper],
        why: Why,
        barrier: Barrier,
        governor: Governor,
    ) -> None:
        self._searcher = searcher
        self._status = status
        self._library = library
        self._keepers = keepers
        self._why = why
        self._barrier = barrier
        self._governor = governor

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"search": self._search, "library.errors": self._errors, "library.why": self._explain}

    async def _search(self, params: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        synced = {}
        if params["sync"] is not None:
            self._searcher.check(params["query"])  # nobody waits half a minute for a refusal
            synced["synced"] = await self._barrier.passed(params["sync"])
        hits = await self._searcher.search(params["query"], params["limit"], params["min_score"])
        return {
            "hits": fitting(self._hit(photo, score) for photo, score in hits),
            "pending": self._status.unsearchable,
            "held": self._governor.held,
            "photos": len(self._library),
            "took_ms": round((time.perf_counter() - start) * 1000, 2),
        } | synced

    def _hit(self, photo: Photo, score: float) -> dict[str, Any]:
        keeper = self._keepers[photo.root]
        offline = keeper.offline(photo.path)
        return {
            "path": photo.path,
            "score": round(score, 4),
            "root": photo.root,
            "taken_at": photo.info.taken_at,
            "width": photo.info.width,
            "height": photo.info.height,
            "format": photo.info.format,
            "offline": offline,
            "last_seen": keeper.seen_at(photo.path) if offline else None,
        }

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
        return {"errors": fitting(rows), "total": len(failures)}

    async def _explain(self, params: dict[str, Any]) -> dict[str, Any]:
        return await self._why.explain(params["path"], params["query"])
