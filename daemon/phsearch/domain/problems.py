"""What a daemon cannot use or cannot do, though all else runs: logged once, and named in `doctor`."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

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

    def report(self, part: str, text: str, remedy: str, *, error: BaseException | None = None) -> None:
        """Add a problem in place of an earlier one of that part; log it, with the traceback of a bug."""
        problem = Problem(part, text, remedy)
        if self._by_part.get(part) != problem:
            log.warning("%s: %s: %s", part, text, remedy, exc_info=error)
        self._by_part[part] = problem

    def watch_task(self, part: str, task: asyncio.Task[None]) -> None:
        """Take the end of a task that the daemon can do without as a problem of `part`, unless it was cancelled."""
        task.add_done_callback(functools.partial(self._on_end, part))

    def _on_end(self, part: str, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        text = f"stopped by a bug in phsearch ({type(error).__name__}: {error})"
        self.report(part, text, "report the lines of the log, and restart the daemon", error=error)

    def resolve(self, part: str) -> None:
        """Remove the problem of a part, if there is one."""
        self._by_part.pop(part, None)
