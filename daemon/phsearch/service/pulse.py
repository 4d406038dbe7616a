"""Patience with a worker process that owes an answer: as long as it does anything, and no longer.

How long an answer may take nobody knows: a model may be large, the machine busy, the weights on their way over a slow
line. Whether a process does anything the kernel knows, without asking it: its processor time grows, or pages that it
touches come in from the disk. One that was stopped, or waits for what never comes, does neither.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

_LOOK_SECONDS = 1.0
_MAJFLT, _UTIME, _STIME = 9, 11, 12  # of /proc/PID/stat, counted from the field behind the name


class StalledError(Exception):
    """The process does nothing, or what it does leads nowhere; `str` says which."""


async def patiently(answer: Coroutine[Any, Any, _T], pid: int, still: float, longest: float = math.inf) -> _T:
    """Give what `answer` gives. Raises StalledError when the process has done nothing for `still` seconds.

    Also when it has been at it for `longest`. Looks are counted instead of time, so that a daemon that was stopped for
    a while does not take that for the worker's.
    """
    task = asyncio.ensure_future(answer)
    before, quiet, looks = None, 0, 0  # most answers come before the first look, and are not to pay for one
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            now, looks = signs(pid), looks + 1
            quiet = quiet + 1 if now == before else 0
            before = now
            if quiet * _LOOK_SECONDS >= still:
                raise StalledError(f"it has done nothing for {still:g} s")
            if looks * _LOOK_SECONDS >= longest:
                raise StalledError(f"it has not answered for {longest:g} s")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def signs(pid: int) -> tuple[int, int, int] | None:
    """Give page faults served from disk and the processor time in ticks; None without the process."""
    try:
        # The name in parentheses may hold anything, spaces and parentheses, too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_MAJFLT]), int(fields[_UTIME]), int(fields[_STIME])
