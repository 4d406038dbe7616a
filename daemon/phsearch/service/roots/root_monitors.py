"""The monitors of the roots there are at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.service.roots.monitor import RootMonitor


class RootMonitors(Mapping[str, "RootMonitor"]):
    """The monitors by root, in the order of the roots. Only the `RootManager` changes them."""

    def __init__(self) -> None:
        self._monitors: Mapping[str, RootMonitor] = {}

    def __getitem__(self, root: str) -> RootMonitor:
        return self._monitors[root]

    def __iter__(self) -> Iterator[str]:
        return iter(self._monitors)

    def __len__(self) -> int:
        return len(self._monitors)

    def replace_all(self, monitors: Mapping[str, RootMonitor]) -> None:
        """Hold these monitors from now on."""
        self._monitors = monitors

    def online_roots(self) -> list[str]:
        """Return the roots that are not offline."""
        return [root for root, monitor in self._monitors.items() if monitor.state != "offline"]
