"""`status --wait`: ask until nothing is left to do, with a bar for whoever is watching."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.output import cell
from phsearch.cli.words import counted, duration
from phsearch.errors import AnswerTimeoutError, PhsearchError

if TYPE_CHECKING:
    from phsearch.cli.terminal import Screen
    from phsearch.client import Client

_PAUSE = 0.2
_BAR = 24  # columns
_STUCK = ("unavailable", "mismatch")
_HANDLED = ("embedded", "reused", "failed")


def until_done(client: Client, timeout: float | None, notes: Screen) -> dict[str, Any]:
    """Give the first status with nothing pending; raises when that cannot be, or when `timeout` seconds are over."""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    patience = client.timeout
    before: int | None = None
    said = ""
    try:
        while True:
            client.timeout = max(min(patience, deadline - time.monotonic()), _PAUSE)
            status: dict[str, Any] = client.call("status")
            if not status["pending"] and not status["scanning"]:
                return status
            _give_up_if_stuck(status)
            if (held := _held(status)) and held != said:
                # Once, since whoever sees no bar would take the wait for a hang.
                said = held
                notes.say(("\r\x1b[K" if notes.styled else "") + f"{held}; waiting")
            if time.monotonic() + _PAUSE > deadline:
                raise _too_late(status, timeout)
            handled = sum(status["counters"][name] for name in _HANDLED)
            before = handled if before is None else before
            if notes.styled:
                notes.write("\r" + _bar(handled - before, status)[: notes.width - 1] + "\x1b[K")
            time.sleep(_PAUSE)
    finally:
        if notes.styled:
            notes.write("\r\x1b[K")


def _bar(done: int, status: dict[str, Any]) -> str:
    total = done + status["pending"]
    if not total:
        return "looking for photos"
    filled = _BAR * done // total
    parts = [f"{'█' * filled}{'░' * (_BAR - filled)} {done:,}/{total:,} photos"]
    if rate := status["rate"]:
        parts.append(f"{rate:.1f}/s")
    if status["eta"] is not None:
        parts.append(f"{duration(status['eta'])} left")
    return "  ".join(parts)


def _give_up_if_stuck(status: dict[str, Any]) -> None:
    model = status["model"]
    if status["pending"] and model["state"] in _STUCK:
        reason = model["reason"] or f"the model is {model['state']}"
        raise PhsearchError(f"{counted(status['pending'], 'photo')} cannot be indexed: {reason}", model["hint"] or "")


def _held(status: dict[str, Any]) -> str:
    pace = status.get("pace") or {}
    if not status["pending"] or pace.get("state") != "paused":
        return ""
    force = "" if pace["causes"] == ["owner"] else " --force"
    return f"indexing is {cell(pace['text'])} (`phsearch-client resume{force}` goes on)"


def _too_late(status: dict[str, Any], timeout: float | None) -> AnswerTimeoutError:
    left = f"{counted(status['pending'], 'photo')} pending" if status["pending"] else "still looking for photos"
    hint = _held(status) or "the daemon goes on; wait longer with --timeout"
    return AnswerTimeoutError(f"not done within {timeout:g} s, {left}", hint)
