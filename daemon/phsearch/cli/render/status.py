"""The status as a person reads it: who answers, how far it is, where it looks, and what wants attention."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.render.table import cell, format_duration, plural, table
from phsearch.errors import AnswerTimeoutError, PhsearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.cli.terminal import Console
    from phsearch.client import Client

# `status --wait`: ask until nothing is left to do, with a bar for whoever is watching.


_PAUSE = 0.2
_BAR = 24  # columns
_STUCK = ("unavailable", "mismatch")
_HANDLED = ("embedded", "reused", "failed")


def wait_until_indexed(client: Client, timeout: float | None, notes: Console) -> dict[str, Any]:
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
                notes.print_line(("\r\x1b[K" if notes.styled else "") + f"{held}; waiting")
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
        parts.append(f"{format_duration(status['eta'])} left")
    return "  ".join(parts)


def _give_up_if_stuck(status: dict[str, Any]) -> None:
    model = status["model"]
    if status["pending"] and model["state"] in _STUCK:
        reason = model["reason"] or f"the model is {model['state']}"
        raise PhsearchError(f"{plural(status['pending'], 'photo')} cannot be indexed: {reason}", model["hint"] or "")


def _held(status: dict[str, Any]) -> str:
    pace = status.get("pace") or {}
    if not status["pending"] or pace.get("state") != "paused":
        return ""
    force = "" if pace["causes"] == ["owner"] else " --force"
    return f"indexing is {cell(pace['text'])} (`phsearch-client resume{force}` goes on)"


def _too_late(status: dict[str, Any], timeout: float | None) -> AnswerTimeoutError:
    left = f"{plural(status['pending'], 'photo')} pending" if status["pending"] else "still looking for photos"
    hint = _held(status) or "the daemon goes on; wait longer with --timeout"
    return AnswerTimeoutError(f"not done within {timeout:g} s, {left}", hint)


_LABEL = 10  # columns


def format_status(status: dict[str, Any], screen: Console) -> str:
    """Lay out a status."""
    name = screen.bold(f"phsearchd {cell(status['version'])}")
    lines = [f"{name}  pid {status['pid']}, up {format_duration(status['uptime'])}"]
    lines += [screen.dim(f"{label:<{_LABEL}}") + text for label, text in _facts(status)]
    text = "\n".join(lines) + "\n"
    rows = [(_root(root), root["path"]) for root in status["roots"]]
    # A daemon of an earlier version knows of no removed folders.
    rows += [(_removed(root), root["path"]) for root in status.get("removed", ())]
    if rows:
        text += "\n" + table(rows, screen)
    wanted = "".join(
        f"{screen.bold('!')} {_sentence(notice['text'], notice['hint'])}\n" for notice in status["notices"]
    )
    return text + ("\n" + wanted if wanted else "")


def _facts(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "model", _model(status["model"])
    if sandbox := status["model"].get("confinement"):
        yield "confined", f"by {cell(sandbox)}"
    yield "photos", f"{status['photos']:,}, {_pending(status)}"
    # A daemon of an earlier version has no pace.
    if (pace := status.get("pace")) and (pace["state"] != "full" or not pace["pressure"]):
        yield "pace", _pace(pace)
    if (slowest := _slowest(status)) is not None:
        yield "slowest", slowest
    counters = status["counters"]
    yield "since up", ", ".join(f"{counters[name]:,} {name}" for name in ("embedded", "reused", "removed", "failed"))
    if status["errors"]:
        yield "errors", f"{plural(status['errors'], 'photo')} could not be read: see `phsearch-client errors`"
    if last := status["last_error"]:
        yield "last", _sentence(last["path"], last["reason"])


def _model(model: dict[str, Any]) -> str:
    name = "/".join(part for part in (model["name"], model["pretrained"]) if part)
    how = ", ".join(str(part) for part in (model["device"], model["precision"]) if part)
    said = cell(f"{name} on {how}" if how else name)
    if model["dim"]:
        said += f", {model['dim']} dimensions"
    said += f": {cell(model['state'])}"
    if model["reason"]:
        said += f"; {_sentence(model['reason'], model['hint'])}"
    return said


def _pending(status: dict[str, Any]) -> str:
    if not status["pending"]:
        return "looking for more" if status["scanning"] else "nothing pending"
    said = f"{status['pending']:,} pending"
    if status["rate"]:
        said += f", {status['rate']:.1f} a second"
    if status["eta"] is not None:
        said += f", {format_duration(status['eta'])} left"
    return said


def _pace(pace: dict[str, Any]) -> str:
    said = cell(pace["text"])
    if pace["state"] != "full" and pace["causes"] != ["owner"]:
        said += "; `phsearch-client resume --force` overrides that"
    if not pace["pressure"]:
        said += " (the kernel tells nothing of pressure on memory and disks: it has no PSI, or psi=0)"
    return said


def _slowest(status: dict[str, Any]) -> str | None:
    found = status.get("bottleneck") or {}
    # What is slow on purpose the pace says already.
    told = found.get("remedy") and found.get("stage") != "slowed"
    return _sentence(found["text"], found["remedy"]) if told and status["pending"] else None


def _root(root: dict[str, Any]) -> tuple[str, ...]:
    seen = root.get("last_seen")
    when = time.strftime("last seen %Y-%m-%d %H:%M", time.localtime(seen)) if seen is not None else ""
    return root["state"], plural(root["photos"], "photo"), when, root["detail"] or ""


def _removed(root: dict[str, Any]) -> tuple[str, ...]:
    ends = root["forgotten_at"]
    when = time.strftime("forgotten on %Y-%m-%d", time.localtime(ends)) if ends is not None else "kept"
    return "removed", plural(root["photos"], "photo"), when, "not shown"


def _sentence(text: str, hint: str | None) -> str:
    return cell(f"{text}: {hint}" if hint else text)
