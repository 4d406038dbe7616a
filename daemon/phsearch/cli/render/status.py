"""The status for a person: the daemon, its progress, its folders, and what needs attention."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from phsearch.cli.render.models import format_switch, model_name
from phsearch.cli.render.table import cell, format_duration, plural, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.cli.terminal import Console
    from phsearch.wire.results.daemon import DownloadStatus, ModelStatus, Pace, RemovedRootStatus, RootStatus, Status

_LABEL = 10  # columns


def format_status(status: Status, console: Console) -> str:
    """Return a status as text of several lines."""
    name = console.bold(f"phsearchd {cell(status.version)}")
    lines = [f"{name}  pid {status.pid}, up {format_duration(status.uptime)}"]
    lines += [console.dim(f"{label:<{_LABEL}}") + text for label, text in _facts(status)]
    text = "\n".join(lines) + "\n"
    rows = [(_root(root), root.path) for root in status.roots]
    rows += [(_removed(root), root.path) for root in status.removed]
    if rows:
        text += "\n" + table(rows, console)
    notices = "".join(f"{console.bold('!')} {_sentence(notice.text, notice.hint)}\n" for notice in status.notices)
    return text + ("\n" + notices if notices else "")


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    yield "model", _model(status.model)
    if status.model.confinement:
        yield "confined", f"by {cell(status.model.confinement)}"
    if status.switch is not None:
        yield "change to", format_switch(status.switch)
    yield "photos", f"{status.photos:,}, {_pending(status)}"
    if status.pace and (status.pace.state != "full" or not status.pace.pressure):
        yield "pace", _pace(status.pace)
    if (slowest := _slowest(status)) is not None:
        yield "slowest", slowest
    counters = vars(status.counters)
    yield "since up", ", ".join(f"{counters[name]:,} {name}" for name in ("embedded", "reused", "removed"))
    if status.errors:
        yield "errors", f"{plural(status.errors, 'photo')} could not be read: see `phsearch-client errors`"
    if status.last_error:
        yield "last", _sentence(status.last_error.path, status.last_error.reason)


def _model(model: ModelStatus) -> str:
    name = model_name(model.name, model.pretrained)
    how = ", ".join(part for part in (model.device, model.precision) if part)
    text = cell(f"{name} on {how}" if how else name)
    if model.dim:
        text += f", {model.dim} dimensions"
    text += f": {cell(model.state)}"
    if model.download:
        text += f"; {_download(model.download)}"
    if model.reason:
        text += f"; {_sentence(model.reason, model.hint)}"
    return text


def _download(download: DownloadStatus) -> str:
    text = f"downloading {download.done / 1e6:,.0f} of {download.total / 1e6:,.0f} MB"
    return text if download.eta is None else f"{text}, {format_duration(download.eta)} left"


def _pending(status: Status) -> str:
    if not status.pending:
        return "looking for more" if status.scanning else "nothing pending"
    text = f"{status.pending:,} pending"
    if status.model.state == "loading":
        return f"{text}, {'downloading' if status.model.download else 'loading'} the model"
    if status.rate:
        text += f", {status.rate:.1f} a second"
    if status.eta is not None:
        text += f", {format_duration(status.eta)} left"
    return text


def _pace(pace: Pace) -> str:
    text = cell(pace.text)
    if pace.state != "full" and pace.causes != ("owner",):
        text += "; `phsearch-client resume --force` overrides that"
    if not pace.pressure:
        text += " (the kernel tells nothing of pressure on memory and disks: it has no PSI, or psi=0)"
    return text


def _slowest(status: Status) -> str | None:
    found = status.bottleneck
    # The line "pace" shows a throttle already.
    if found is None or not found.remedy or found.stage == "slowed" or not status.pending:
        return None
    return _sentence(found.text, found.remedy)


def _root(root: RootStatus) -> tuple[str, ...]:
    seen = root.last_seen
    when = time.strftime("last seen %Y-%m-%d %H:%M", time.localtime(seen)) if seen is not None else ""
    return root.state, plural(root.photos, "photo"), when, root.detail


def _removed(root: RemovedRootStatus) -> tuple[str, ...]:
    ends = root.forgotten_at
    when = time.strftime("forgotten on %Y-%m-%d", time.localtime(ends)) if ends is not None else "kept"
    return "removed", plural(root.photos, "photo"), when, "not shown"


def _sentence(text: str, hint: str | None) -> str:
    return cell(f"{text}: {hint}" if hint else text)
