"""Orders about the settings, and about photos of folders that were taken out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from phsearch.domain.roots import Roots
    from phsearch.service.api import Calls
    from phsearch.service.reload import Reload
    from phsearch.service.removed import RemovedRoots


class Configuring:
    """`config.reload`, `library.forget`."""

    def __init__(self, reload: Reload, removed: RemovedRoots, roots: Roots) -> None:
        self._reload = reload
        self._removed = removed
        self._roots = roots

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"config.reload": self._read_again, "library.forget": self._forget}

    async def _read_again(self, params: dict[str, Any]) -> dict[str, Any]:
        return await (self._reload.plan() if params["check"] else self._reload.reload(params["removed"]))

    async def _forget(self, params: dict[str, Any]) -> dict[str, Any]:
        root = params["root"]
        if root in self._removed:
            return {"root": root, "forgotten": await self._removed.forget(root)}
        watched = self._roots.of(root)
        if watched is not None:
            hint = f"take {watched} out of the settings and run `phsearch-client reload` first"
            raise RpcError("InvalidParams", f"{root} is watched, and its photos would be found again", hint)
        kept = ", ".join(self._removed) or "none"
        raise RpcError("OutsideLibrary", f"{root} is no removed folder whose photos are kept", f"kept: {kept}")
