"""Seconds and photos of one stage or another, from the start on."""

from __future__ import annotations

from typing import Any

from phsearch.domain.bottleneck import Work


class Clocks:
    """Kept by the part that does the work. Belongs to the event loop."""

    def __init__(self) -> None:
        self.work = Work()

    def add(self, **more: float) -> None:
        """Add to some of the fields of `Work`."""
        self.work = self.work.plus(Work(**more))  # type: ignore[arg-type]

    def worked(self, times: dict[str, Any]) -> None:
        """Take what the index worker says of a batch."""
        self.add(
            **{name: max(times.get(name, 0), 0) for name in ("decoding", "decoded", "waiting", "model", "embedded")}
        )
