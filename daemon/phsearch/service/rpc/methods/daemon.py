"""What the daemon says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import discover

if TYPE_CHECKING:
    from phsearch.domain.roots.roots import Roots
    from phsearch.service.config_reload import Reload
    from phsearch.service.health.status import Status
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.rpc.dispatcher import Calls
    from phsearch.service.throttle import Governor

# Orders about the settings, and about photos of folders that were taken out of them.


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


class About:
    """`status`, `events.subscribe`, `rpc.discover`."""

    def __init__(self, status: Status, governor: Governor) -> None:
        self._status = status
        self._governor = governor

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"status": self._report, "events.subscribe": self._subscribed, "rpc.discover": self._discover}

    async def _report(self, _params: dict[str, Any]) -> dict[str, Any]:
        await self._governor.look()  # while there is nothing to do, nobody else does
        return self._status.report()

    async def _subscribed(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"subscribed": True}

    async def _discover(self, _params: dict[str, Any]) -> dict[str, Any]:
        return discover(__version__)
