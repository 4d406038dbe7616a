"""The monitors of the roots there are at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.service.roots.monitor import RootMonitor


class RootMonitors(dict[str, "RootMonitor"]):
    """The monitors by root, in the order of the roots. Only the `RootManager` changes them."""

    def replace_all(self, monitors: Mapping[str, RootMonitor]) -> None:
        """Hold these monitors from now on."""
        monitors = dict(monitors)
        self.clear()
        self.update(monitors)

    def online_roots(self) -> list[str]:
        """Return the roots that are not offline."""
        return [root for root, monitor in self.items() if monitor.state != "offline"]
