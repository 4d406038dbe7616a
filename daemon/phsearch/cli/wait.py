"""`status --wait`: poll until nothing is left to index, with a progress bar on a terminal."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.render.table import cell, format_duration, plural
from phsearch.client import parse_answer
from phsearch.errors import AnswerTimeoutError, PhsearchError
from phsearch.wire.results.daemon import Status

if TYPE_CHECKING:
    from phsearch.cli.terminal import Console
    from phsearch.client import Client

_PAUSE = 0.2
_BAR = 24  # columns
_STUCK = ("unavailable", "mismatch")


def wait_until_indexed(client: Client, timeout: float | None, notes: Console) -> Any:
    """Return the first answer to `status` with nothing pending.

    Raise PhsearchError where that cannot be, and AnswerTimeoutError after `timeout` seconds.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    call_timeout = client.timeout
    before: int | None = None
    printed = ""
    try:
        while True:
            client.timeout = max(min(call_timeout, deadline - time.monotonic()), _PAUSE)
            answer = client.call("status")
            status = parse_answer(Status, answer)
            if not status.pending and not status.scanning:
                return answer
            _raise_if_stuck(status)
            if (held := _held_text(status)) and held != printed:
                # Once: without a bar the wait looks like a hang.
                printed = held
                notes.print_line(("\r\x1b[K" if notes.styled else "") + f"{held}; waiting")
            if time.monotonic() + _PAUSE > deadline:
                raise _timeout_error(status, timeout)
            handled = status.counters.embedded + status.counters.reused + status.counters.failed
            before = handled if before is None else before
            if notes.styled:
                notes.write("\r" + _progress_bar(handled - before, status)[: notes.width - 1] + "\x1b[K")
            time.sleep(_PAUSE)
    finally:
        if notes.styled:
            notes.write("\r\x1b[K")


def _progress_bar(done: int, status: Status) -> str:
    # A photo that is not on disk yet is done, and counts once.
    total = done + status.pending - status.unwritten
    if not total:
        return "looking for photos"
    filled = _BAR * done // total
    parts = [f"{'█' * filled}{'░' * (_BAR - filled)} {done:,}/{total:,} photos"]
    if status.model.state == "loading":
        parts.append("loading the model")
    if status.rate:
        parts.append(f"{status.rate:.1f}/s")
    if status.eta is not None:
        parts.append(f"{format_duration(status.eta)} left")
    return "  ".join(parts)


def _raise_if_stuck(status: Status) -> None:
    model = status.model
    if status.pending and model.state in _STUCK:
        reason = model.reason or f"the model is {model.state}"
        raise PhsearchError(f"{plural(status.pending, 'photo')} cannot be indexed: {reason}", model.hint or "")


def _held_text(status: Status) -> str:
    pace = status.pace
    if not status.pending or pace is None or pace.state != "paused":
        return ""
    force = "" if pace.causes == ("owner",) else " --force"
    return f"indexing is {cell(pace.text)} (`phsearch-client resume{force}` goes on)"


def _timeout_error(status: Status, timeout: float | None) -> AnswerTimeoutError:
    left = f"{plural(status.pending, 'photo')} pending" if status.pending else "still looking for photos"
    hint = _held_text(status) or "the daemon goes on; wait longer with --timeout"
    return AnswerTimeoutError(f"not done within {timeout:g} s, {left}", hint)
