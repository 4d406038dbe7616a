"""The status and settings of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import discover
from phsearch.wire.results.events import Subscription
from phsearch.wire.results.library import ForgottenRoot

if TYPE_CHECKING:
    from phsearch.domain.roots.roots import Roots
    from phsearch.service.config_reload import ConfigReloader, RemovedPolicy
    from phsearch.service.health.status import StatusReporter
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.wire.results.daemon import ConfigChanges, OpenRpcDocument, Status


class ConfigMethods:
    """`config.reload`, and `library.forget` for folders that were removed from the settings."""

    def __init__(self, *, reloader: ConfigReloader, removed: RemovedRoots, roots: Roots) -> None:
        self._reloader = reloader
        self._removed = removed
        self._roots = roots

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"config.reload": self._reload, "library.forget": self._forget}

    async def _reload(self, *, check: bool, removed: RemovedPolicy) -> ConfigChanges:
        return await (self._reloader.plan() if check else self._reloader.reload(removed))

    async def _forget(self, *, root: str) -> ForgottenRoot:
        if root in self._removed:
            return ForgottenRoot(root=root, forgotten=await self._removed.forget(root))
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
        self._throttle = throttle

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"status": self._report, "events.subscribe": self._subscribe, "rpc.discover": self._discover}

    async def _report(self) -> Status:
        await self._throttle.poll()  # nothing else polls while there is nothing to index
        return self._status.report()

    async def _subscribe(self) -> Subscription:
        return Subscription(subscribed=True)

    async def _discover(self) -> OpenRpcDocument:
        return discover(__version__)
