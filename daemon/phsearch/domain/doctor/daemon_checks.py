"""What only the daemon can see: its watches, folders, model, workers and index."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.doctor.check import Check, fail, ok, plural, warn
from phsearch.domain.doctor.file_checks import in_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phsearch.domain.types import DeviceChoice, TableStats
    from phsearch.wire.results.daemon import ModelStatus

_LOG = "journalctl --user -u phsearch -n 50"
_NEARLY_ALL = 0.8
_DEFAULT_QUEUE = 16_384
"""The default of the kernel; a shorter queue overflows sooner than expected."""
_MANY_FRAGMENTS = 2_000
_MANY_EXITS = 3
_MUCH_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class InotifyUse:
    """Watches and instances in use, by this daemon and by all of its user's programs, and the limits by sysctl name."""

    watches: int
    instances: int
    user_watches: int
    user_instances: int
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootReport:
    """A watched folder as its monitor sees it."""

    path: str
    state: str
    photos: int
    missing: int
    watched: int
    unwatched: int
    beyond_limit: int
    detail: str
    hint: str
    remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """The starts and exits of one worker."""

    name: str
    running: bool
    starts: int
    exits: int
    last_exit: str
    died_at: float | None


def watches(use: InotifyUse, unwatched: int) -> Check:
    """Judge the number of watches; `unwatched` folders got none since there were no more."""
    name, limit = "inotify watches", _lowest(use.limits, "watches")
    text = f"{use.watches:,} here, {use.user_watches:,} of all your programs"
    if limit is None:
        return ok(name, text)
    sysctl, most = limit
    text += f", of {most:,} ({sysctl})"
    remedy = raise_limit_command(sysctl, most, use.user_watches + unwatched)
    if unwatched:
        missed = plural(unwatched, "folder")
        return warn(name, f"{text}: not watched but scanned on a timer: {missed}", remedy)
    if use.user_watches > _NEARLY_ALL * most:
        return warn(name, f"{text}: soon there are none left", remedy)
    return ok(name, text)


def instances(use: InotifyUse) -> Check:
    """Judge the number of inotify instances."""
    name, limit = "inotify instances", _lowest(use.limits, "instances")
    text = f"{use.instances:,} here, {use.user_instances:,} of all your programs"
    if limit is None:
        return ok(name, text)
    sysctl, most = limit
    text += f", of {most:,} ({sysctl})"
    if use.instances == 0:
        return warn(name, f"{text}: nothing is watched", raise_limit_command(sysctl, most, use.user_instances + 1))
    if use.user_instances > _NEARLY_ALL * most:
        return warn(name, f"{text}: soon there are none left", raise_limit_command(sysctl, most, use.user_instances))
    return ok(name, text)


def queue(use: InotifyUse, overflows: int) -> Check | None:
    """Judge the length of the kernel's event queue; None if it is not known."""
    name, sysctl = "inotify queue", "fs.inotify.max_queued_events"
    if (length := use.limits.get(sysctl)) is None:
        return None
    text = f"{length:,} events ({sysctl})"
    if overflows:
        times = "once" if overflows == 1 else f"{overflows:,} times"
        text += f", which overflowed {times} since the start; scans made it good"
        return warn(name, text, raise_limit_command(sysctl, length, length))
    if length < _DEFAULT_QUEUE:
        return warn(name, f"{text}: fewer than usual", raise_limit_command(sysctl, length, _DEFAULT_QUEUE))
    return ok(name, text)


def raise_limit_command(sysctl: str, now: int, needed: int) -> str:
    """Return the command that raises a limit for good: at least twice the limit now, with room for what is needed."""
    enough = max(now, 1) * 2
    while enough < 1.5 * needed:
        enough *= 2
    return f"echo {sysctl}={enough} | sudo tee /etc/sysctl.d/60-{sysctl.replace('.', '-')}.conf && sudo sysctl --system"


def root(root: RootReport) -> Check:
    """Judge a watched folder."""
    name, path = "root", shlex.quote(root.path)
    text = f"{root.path}: {root.state}, {plural(root.photos, 'photo')}"
    rescan = f"phsearch-client rescan {path}"
    if root.state == "offline":
        return warn(
            name,
            f"{text}; {root.detail}",
            f"{root.hint or rescan}; mounted and readable again, it comes back by itself",
        )
    if root.missing:
        return warn(name, f"{text}; {root.detail}", root.hint or rescan)
    if root.remote:
        return warn(name, f"{text}; {root.detail}", f"{rescan} finds them sooner, or set watch.poll_minutes")
    if root.unwatched:
        counts = f"{plural(root.watched, 'folder')} watched, {root.unwatched:,} not"
        if root.unwatched == root.beyond_limit:
            return warn(name, f"{text}; {counts}", rescan)
        return warn(name, f"{text}; {root.detail}", f"when that is mended: {rescan}")
    return ok(name, f"{text}, {plural(root.watched, 'folder')} watched" if root.watched else text)


def model(status: ModelStatus, weights: str, source: str) -> Check:
    """Judge the model by its part of the status; `weights` is the digest of its weights, `source` where they are."""
    name = "model"
    label = "/".join(part for part in (status.name, status.pretrained) if part)
    match status.state:
        case "ready":
            text = f"{label}, {status.dim} dimensions"
            text += f"; weights from {source}" if source else ""
            return ok(name, f"{text}, sha256 {weights[:16]}" if weights else text)
        case "loading":
            return warn(name, f"{label} is still loading", "phsearch-client --timeout 60 doctor, in a moment")
        case _:
            return fail(name, str(status.reason), status.hint or _LOG)


def relevance(*, fitted: bool, own_photos: int) -> Check:
    """Judge whether the model is calibrated, and on what: photos with captions, or so many of the owner's own."""
    better = "phsearch-client model calibrate DIR, with photos that have captions"
    if own_photos:
        text = f"calibrated on {own_photos:,} of your photos and everyday words: what hardly fits is left out"
        return ok("relevance", f"{text}; a better one: {better}")
    if fitted:
        return ok("relevance", "calibrated on captioned photos: what hardly fits is left out")
    text = "the model is not calibrated yet, so nothing is cut off: a search over a hundred photos or more does it"
    return warn("relevance", text, better)


def device(used: str | None, precision: str, runtime: str, choice: DeviceChoice) -> list[Check]:
    """Judge the device that photos are embedded on, and what runs the model; `used` is None while it is not known."""
    if used is None:
        return [ok("device", "not known yet: there was nothing to embed since the start")]
    text = f"{used}: {choice.device}" if choice.device else used
    found = warn("device", text, choice.remedy) if choice.remedy else ok("device", text)
    checks = [found, ok("precision", f"{precision}: {choice.precision}" if choice.precision else precision)]
    if runtime:
        checks.append(ok("runtime", f"{runtime}: {choice.runtime}" if choice.runtime else runtime))
    return checks


def store(tables: Sequence[TableStats], path: str, problem: tuple[str, str] | None) -> list[Check]:
    """Judge the index on disk by its tables."""
    name = "index"
    if problem is not None:
        return [fail(name, problem[0], problem[1] or _LOG)]
    own = [table for table in tables if not table.former]
    text = f"{path}: {in_bytes(sum(table.bytes for table in tables))}"
    for table in own:
        text += (
            f"; {table.name} (schema {table.schema}): {plural(table.rows, 'row')} in "
            f"{plural(table.fragments, 'fragment')}, {plural(table.versions, 'version')}"
        )
    fragmented = [table for table in own if table.fragments > _MANY_FRAGMENTS or table.versions > _MANY_FRAGMENTS]
    checks = [warn(name, f"{text}; maintenance lags behind", _LOG) if fragmented else ok(name, text)]
    former = [table for table in tables if table.former]
    if former:
        names = ", ".join(f"{table.name} ({in_bytes(table.bytes)})" for table in former)
        text = f"of models that are not in use: {names}; going back is free (`phsearch-client model list`)"
        checks.append(ok("former models", text))
    return checks


def maintenance(now: float, written: float | None, optimized: float | None, pending: int) -> Check:
    """Return a check that says when the index was last written and optimized."""
    text = f"last written {_ago(now, written)}, last tidied {_ago(now, optimized)}"
    return ok("maintenance", f"{text}, {plural(pending, 'change')} to write" if pending else text)


def worker(report: WorkerReport) -> Check:
    """Judge a worker process."""
    name = f"{report.name} worker"
    text = f"{'running' if report.running else 'idle'}, started {_times(report.starts)}"
    if report.exits and report.died_at is not None:
        died = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.died_at))
        text += f", died {_times(report.exits)}, last on {died}: {report.last_exit}"
    if report.exits >= _MANY_EXITS:
        return warn(name, text, f"phsearch-client errors, and {_LOG}")
    return ok(name, text)


def errors(unreadable: int) -> Check:
    """Judge the number of photos that could not be read."""
    if not unreadable:
        return ok("errors", "every photo could be read")
    return warn("errors", f"{plural(unreadable, 'photo')} could not be read", "phsearch-client errors says why")


def memory(used: Iterable[tuple[str, int]], machine: int) -> Check:
    """Judge the memory of all processes together."""
    parts = list(used)
    total = sum(size for _, size in parts)
    text = f"{in_bytes(total)} of {in_bytes(machine)}: " + ", ".join(f"{name} {in_bytes(size)}" for name, size in parts)
    if total > _MUCH_MEMORY * machine:
        remedy = "set a smaller index.worker_memory_mb or index.decode_threads, or a smaller model"
        return warn("memory", f"{text}; that is more than half of it", remedy)
    return ok("memory", text)


def _lowest(limits: Mapping[str, int], what: str) -> tuple[str, int] | None:
    # Of the limits of the system and of the user namespace (a container, for example) the lower one has to be raised.
    names = (f"fs.inotify.max_user_{what}", f"user.max_inotify_{what}")
    known = [(limits[name], -order, name) for order, name in enumerate(reversed(names)) if name in limits]
    if not known:
        return None
    most, _, name = min(known)
    return name, most


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def _ago(now: float, then: float | None) -> str:
    if then is None:
        return "not since the start"
    minutes = max(int(now - then) // 60, 0)
    return f"{plural(minutes, 'minute')} ago" if minutes else "less than a minute ago"
