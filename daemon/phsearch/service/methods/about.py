"""What the daemon says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.wire.methods import discover

if TYPE_CHECKING:
    from phsearch.service.api import Calls
    from phsearch.service.governor import Governor
    from phsearch.service.status import Status


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
