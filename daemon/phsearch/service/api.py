"""The methods of the protocol, by name, exactly those of the table in `wire.methods`."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.domain.roots import below
from phsearch.errors import (
    ModelMismatchError,
    ModelUnavailableError,
    NotReadyError,
    PhsearchError,
    StoreError,
    UnsupportedQueryError,
)
from phsearch.wire import framing
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import METHODS, discover

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots import Roots
    from phsearch.domain.types import Photo
    from phsearch.service.barrier import Barrier
    from phsearch.service.pipelines import Pipelines
    from phsearch.service.rootkeeper import RootKeeper
    from phsearch.service.searcher import Searcher
    from phsearch.service.status import Status
    from phsearch.service.verify import Verifier
    from phsearch.service.why import Why

_KINDS: dict[type[PhsearchError], str] = {
    NotReadyError: "NotReady",
    ModelMismatchError: "ModelMismatch",
    ModelUnavailableError: "ModelUnavailable",
    UnsupportedQueryError: "UnsupportedQuery",
    StoreError: "NotReady",
}


_ENVELOPE = 4096
_MISMATCHES = 1000


class Api:
    """Calls by name; whoever speaks to the socket gets what these return."""

    def __init__(
        self,
        searcher: Searcher,
        status: Status,
        library: Library,
        roots: Roots,
        keepers: Mapping[str, RootKeeper],
        pipelines: Pipelines,
        why: Why,
        barrier: Barrier,
        verifier: Verifier,
    ) -> None:
        self._searcher = searcher
        self._status = status
        self._library = library
        self._roots = roots
        self._keepers = keepers
        self._pipelines = pipelines
        self._why = why
        self._barrier = barrier
        self._verifier = verifier
        self._calls: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "search": self._search,
            "status": self._report,
            "library.rescan": self._rescan,
            "library.errors": self._errors,
            "library.confirm_deletions": self._confirm_deletions,
            "library.why": self._explain,
            "library.retry": self._retry,
            "library.verify": self._verify,
            "events.subscribe": self._subscribed,
            "rpc.discover": self._discover,
        }
        assert self._calls.keys() == METHODS.keys()

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method. Raises RpcError."""
        method = METHODS.get(name)
        if method is None:
            raise RpcError("MethodNotFound", f'there is no method "{name}"', f"methods: {', '.join(METHODS)}")
        checked = method.check(params)
        try:
            return await self._calls[name](checked)
        except PhsearchError as error:
            raise RpcError(_KINDS.get(type(error), "InternalError"), str(error), error.hint) from error

    async def _search(self, params: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        synced = {}
        if params["sync"] is not None:
            self._searcher.check(params["query"])  # nobody waits half a minute for a refusal
            synced["synced"] = await self._barrier.passed(params["sync"])
        hits = await self._searcher.search(params["query"], params["limit"], params["min_score"])
        return {
            "hits": _fitting(self._hit(photo, score) for photo, score in hits),
            "pending": self._status.unsearchable,
            "photos": len(self._library),
            "took_ms": round((time.perf_counter() - start) * 1000, 2),
        } | synced

    async def _report(self, _params: dict[str, Any]) -> dict[str, Any]:
        return self._status.report()

    async def _rescan(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["path"] is not None:
            root = self._root_of(params["path"])
            self._pipelines.offer(params["path"])
            self._keepers[root].scan(params["path"])
            return {"roots": [root]}
        for root, keeper in self._keepers.items():
            keeper.scan(root)
        return {"roots": list(self._keepers)}

    async def _confirm_deletions(self, params: dict[str, Any]) -> dict[str, Any]:
        root = self._root_of(params["root"])
        if root != params["root"]:
            hint = f"{params['root']} lies in {root}: name that to forget what is missing there"
            raise RpcError("OutsideLibrary", f"{params['root']} is no watched folder", hint)
        return {"root": root, "missing": self._keepers[root].confirm_deletions()}

    def _root_of(self, path: str) -> str:
        root = self._roots.of(path)
        if root is None:
            hint = f"watched: {', '.join(self._roots)}"
            raise RpcError("OutsideLibrary", f"{path} lies in no watched folder", hint)
        return root

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
        return {"errors": _fitting(rows), "total": len(failures)}

    async def _explain(self, params: dict[str, Any]) -> dict[str, Any]:
        return await self._why.explain(params["path"], params["query"])

    async def _retry(self, params: dict[str, Any]) -> dict[str, Any]:
        path = params["path"]
        inside = None if path is None else below(path)
        # A folder above a root holds failures, too.
        if inside is not None and not any(root.startswith(inside) for root in self._roots):
            self._root_of(path)
        failed = [failure.path for failure in self._library.failures()]
        chosen = [each for each in failed if inside is None or each == path or each.startswith(inside)]
        for each in chosen:
            self._pipelines.retry(each)
        return {"retried": len(chosen)}

    async def _verify(self, params: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        try:
            findings = await self._verifier.verify(params["sample"])
        except StoreError as error:
            # Not "not ready": a client would ask again and again, and each time it would take minutes.
            raise RpcError("InternalError", str(error), error.hint) from error
        cosine = findings.lowest_cosine
        return {
            "ok": not findings.mismatches,
            "rows": findings.rows,
            "checked": findings.checked,
            "sampled": findings.sampled,
            "not_checked": findings.not_checked,
            "lowest_cosine": None if cosine is None or math.isnan(cosine) else round(cosine, 4),
            "mismatched": len(findings.mismatches),
            "mismatches": _fitting(dataclasses.asdict(each) for each in findings.mismatches[:_MISMATCHES]),
            "took_ms": round((time.perf_counter() - start) * 1000, 2),
        }

    async def _subscribed(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"subscribed": True}

    async def _discover(self, _params: dict[str, Any]) -> dict[str, Any]:
        return discover(__version__)


def _fitting(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give as many rows as one line of the protocol can hold."""
    fitting: list[dict[str, Any]] = []
    room = framing.MAX_LINE - _ENVELOPE
    for row in rows:
        room -= len(framing.encode(row))
        if room < 0:
            break
        fitting.append(row)
    return fitting
