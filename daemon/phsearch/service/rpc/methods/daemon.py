"""What the daemon says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import discover

if TYPE_CHECKING:
    from phsearch.domain.roots.roots import Roots
    from phsearch.service.config_reload import ConfigReloader
    from phsearch.service.health.status import StatusReporter
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.throttle import IndexingThrottle

# Orders about the settings, and about photos of folders that were taken out of them.


class ConfigMethods:
    """`config.reload`, `library.forget`."""

    def __init__(self, reload: ConfigReloader, removed: RemovedRoots, roots: Roots) -> None:
        self._reload = reload
        self._removed = removed
        self._roots = roots

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"config.reload": self._reload_config, "library.forget": self._forget}

    async def _reload_config(self, params: dict[str, Any]) -> dict[str, Any]:
        return await (self._reload.plan() if params["check"] else self._reload.reload(params["removed"]))

    async def _forget(self, params: dict[str, Any]) -> dict[str, Any]:
        root = params["root"]
        if root in self._removed:
            return {"root": root, "forgotten": await self._removed.forget(root)}
        watched = self._roots.root_of(root)
        if watched is not None:
            hint = f"take {watched} out of the settings and run `phsearch-client reload` first"
            raise RpcError("InvalidParams", f"{root} is watched, and its photos would be found again", hint)
        kept = ", ".join(self._removed) or "none"
        raise RpcError("OutsideLibrary", f"{root} is no removed folder whose photos are kept", f"kept: {kept}")


class DaemonMethods:
    """`status`, `events.subscribe`, `rpc.discover`."""

    def __init__(self, status: StatusReporter, throttle: IndexingThrottle) -> None:
        self._status = status
        self._governor = throttle

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"status": self._report, "events.subscribe": self._subscribed, "rpc.discover": self._discover}

    async def _report(self, _params: dict[str, Any]) -> dict[str, Any]:
        await self._governor.poll()  # while there is nothing to do, nobody else does
        return self._status.report()

    async def _subscribed(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"subscribed": True}

    async def _discover(self, _params: dict[str, Any]) -> dict[str, Any]:
        return discover(__version__)
