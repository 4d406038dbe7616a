"""Orders about the library: compare it with the disk, try again, forget, verify."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

from phsearch.domain.roots import below
from phsearch.errors import StoreError
from phsearch.service.methods.fitting import fitting
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots import Roots
    from phsearch.service.api import Calls
    from phsearch.service.governor import Governor
    from phsearch.service.pipelines import Pipelines
    from phsearch.service.rootkeeper import RootKeeper
    from phsearch.service.verify import Verifier

_MISMATCHES = 1000


class Upkeep:
    """`library.rescan`, `library.retry`, `library.confirm_deletions`, `library.verify`, `library.pause`, `.resume`."""

    def __init__(
        self,
        library: Library,
        roots: Roots,
        keepers: Mapping[str, RootKeeper],
        pipelines: Pipelines,
        verifier: Verifier,
        governor: Governor,
    ) -> None:
        self._library = library
        self._roots = roots
        self._keepers = keepers
        self._pipelines = pipelines
        self._verifier = verifier
        self._governor = governor

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {
            "library.rescan": self._rescan,
            "library.confirm_deletions": self._confirm_deletions,
            "library.retry": self._retry,
            "library.verify": self._verify,
            "library.pause": self._pause,
            "library.resume": self._resume,
        }

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
        return {"retried": len(chosen), "held": self._governor.held}

    async def _pause(self, params: dict[str, Any]) -> dict[str, Any]:
        kept = await self._governor.pause(params["seconds"])
        return {"pace": self._governor.report(), "kept": kept}

    async def _resume(self, params: dict[str, Any]) -> dict[str, Any]:
        kept = await self._governor.resume(force=params["force"])
        return {"pace": self._governor.report(), "kept": kept}

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
            "held": findings.held,
            "lowest_cosine": None if cosine is None or math.isnan(cosine) else round(cosine, 4),
            "mismatched": len(findings.mismatches),
            "mismatches": fitting(dataclasses.asdict(each) for each in findings.mismatches[:_MISMATCHES]),
            "took_ms": round((time.perf_counter() - start) * 1000, 2),
        }
