"""What a daemon cannot use or cannot do, though all else runs: logged once, and named in `doctor`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

log = logging.getLogger("phsearch")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the part of the daemon that has it, what it is, and what helps."""

    part: str
    text: str
    remedy: str


class Problems:
    """The problems there are, one for each part."""

    def __init__(self) -> None:
        self._by_part: dict[str, Problem] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(tuple(self._by_part.values()))

    def report(self, part: str, text: str, remedy: str, *, error: Exception | None = None) -> None:
        """Add a problem in place of an earlier one of that part; log it, with the traceback of a bug."""
        problem = Problem(part, text, remedy)
        if self._by_part.get(part) != problem:
            log.warning("%s: %s: %s", part, text, remedy, exc_info=error)
        self._by_part[part] = problem

    async def contain(self, part: str, work: Awaitable[None]) -> None:
        """Wait for a task that the daemon can do without: an error ends it alone, and is a problem of `part`."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and named
            text = f"stopped by a bug in phsearch ({type(error).__name__}: {error})"
            self.report(part, text, "report the lines of the log, and restart the daemon", error=error)

    def resolve(self, part: str) -> None:
        """Remove the problem of a part, if there is one."""
        self._by_part.pop(part, None)
