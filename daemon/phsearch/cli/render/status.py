"""The status for a person: the daemon, its progress, its folders, and what needs attention."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.render.table import cell, format_duration, plural, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.cli.terminal import Console

_LABEL = 10  # columns


def format_status(status: dict[str, Any], console: Console) -> str:
    """Return a status as text of several lines."""
    name = console.bold(f"phsearchd {cell(status['version'])}")
    lines = [f"{name}  pid {status['pid']}, up {format_duration(status['uptime'])}"]
    lines += [console.dim(f"{label:<{_LABEL}}") + text for label, text in _facts(status)]
    text = "\n".join(lines) + "\n"
    rows = [(_root(root), root["path"]) for root in status["roots"]]
    # An older daemon has no removed folders.
    rows += [(_removed(root), root["path"]) for root in status.get("removed", ())]
    if rows:
        text += "\n" + table(rows, console)
    notices = "".join(
        f"{console.bold('!')} {_sentence(notice['text'], notice['hint'])}\n" for notice in status["notices"]
    )
    return text + ("\n" + notices if notices else "")


def _facts(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "model", _model(status["model"])
    if sandbox := status["model"].get("confinement"):
        yield "confined", f"by {cell(sandbox)}"
    yield "photos", f"{status['photos']:,}, {_pending(status)}"
    # An older daemon has no pace.
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
    text = cell(f"{name} on {how}" if how else name)
    if model["dim"]:
        text += f", {model['dim']} dimensions"
    text += f": {cell(model['state'])}"
    if model["reason"]:
        text += f"; {_sentence(model['reason'], model['hint'])}"
    return text


def _pending(status: dict[str, Any]) -> str:
    if not status["pending"]:
        return "looking for more" if status["scanning"] else "nothing pending"
    text = f"{status['pending']:,} pending"
    if status["rate"]:
        text += f", {status['rate']:.1f} a second"
    if status["eta"] is not None:
        text += f", {format_duration(status['eta'])} left"
    return text


def _pace(pace: dict[str, Any]) -> str:
    text = cell(pace["text"])
    if pace["state"] != "full" and pace["causes"] != ["owner"]:
        text += "; `phsearch-client resume --force` overrides that"
    if not pace["pressure"]:
        text += " (the kernel tells nothing of pressure on memory and disks: it has no PSI, or psi=0)"
    return text


def _slowest(status: dict[str, Any]) -> str | None:
    found = status.get("bottleneck") or {}
    # The line "pace" shows a throttle already.
    wanted = found.get("remedy") and found.get("stage") != "slowed"
    return _sentence(found["text"], found["remedy"]) if wanted and status["pending"] else None


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
