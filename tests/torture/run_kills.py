"""The run of kills: launches and kills, the cost of each kill, and the comparison at the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError
from support.harness import wait_until
from torture.daemons.daemon import TestedDaemon
from torture.disturbances import private
from torture.disturbances.actions import Filler, Pauser
from torture.disturbances.changes import FolderChanges
from torture.disturbances.kill_moments import KillMoments
from torture.index import table
from torture.index.expected import ClipModel, ColourModel, Verdict, compare_index, photos_on_disk
from torture.photos import digest, photographs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torture.disturbances.actions import BackgroundAction

_PATIENCE = 5.0
_FLIGHT = 2.0
_DISK_MEGABYTES = 48


@dataclass(frozen=True)
class Plan:
    """The options of a run."""

    seed: int
    kills: int
    photos: int
    model: str
    pauses: bool = False
    full_disk: bool = False
    own: Path | None = None

    def describe(self) -> str:
        """Return the options in a line."""
        extras = [word for word, on in (("pauses", self.pauses), ("a full disk", self.full_disk)) if on]
        more = f", with {' and '.join(extras)}" if extras else ""
        return f"{self.kills} kills, {self.photos} photos, model {self.model}{more}, seed {self.seed}"


@dataclass(frozen=True)
class Kill:
    """One kill and its possible cost: contents embedded before it that were not in the table after it."""

    at: float
    target: str
    moment: str
    flight: frozenset[bytes]
    cost: int
    """How many of these are still there to be embedded again."""
    age: float = 0.0
    """How long before the kill the oldest of these had been embedded, in seconds."""


@dataclass
class Report:
    """The result. Every fault is a sentence; without faults nothing was lost."""

    kills: list[Kill] = field(default_factory=list)
    starts: int = 0
    refusals: int = 0
    embedded: int = 0
    again: int = 0
    unjustified: int = 0
    unknown: int = 0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the result in one line."""
        daemon = sum(kill.target == "daemon" for kill in self.kills)
        costs = [kill.cost for kill in self.kills]
        oldest = max((kill.age for kill in self.kills), default=0.0)
        v = self.verdict
        parts = (
            f"kills {len(self.kills)} (daemon {daemon}, worker {len(self.kills) - daemon})",
            f"starts {self.starts} (refused {self.refusals})",
            f"photos {v.photos} ({v.contents} distinct)",
            f"lost {len(v.lost)}, duplicates {len(v.duplicates)}, ghosts {len(v.ghosts)}, stale {len(v.stale)}",
            f"wrong {len(v.wrong)} (lowest cosine {v.lowest:.4f})",
            (
                f"embedded {self.embedded}, re-embedded {self.again} (in flight at the kills {sum(costs)}, at most "
                f"{max(costs, default=0)} at one, for {oldest:.1f} s at most; at none {self.unjustified})"
            ),
            f"faults {len(self.faults)}",
            f"{self.seconds:.0f} s",
        )
        return ", ".join(parts)


class KillRun:
    """One run in `home`."""

    def __init__(self, home: Path, plan: Plan) -> None:
        self._home = home
        self._plan = plan
        self._rng = random.Random(plan.seed)
        self._roots = (home / "photos", home / "more photos")
        for root in self._roots:
            root.mkdir()
        settings = f"[index]\nphoto_seconds = {_PATIENCE}\n[watch]\nsettle_seconds = 0.4\n"
        self._tested = TestedDaemon(home, self._roots, plan.model, settings)
        self._moments = KillMoments(self._tested, self._rng, slow=plan.model != "colour")
        self._hands: list[BackgroundAction] = []
        self._report = Report()

    def run(self, say: Callable[[str], None]) -> Report:
        """Run all kills, compare the index, and return the report."""
        began = time.monotonic()
        plan, report = self._plan, self._report
        supply = photographs(self._home / "supply", plan.photos, plan.own)
        say(f"  {len(supply)} photos made in {time.monotonic() - began:.0f} s")
        changes = FolderChanges(self._roots, supply, plan.seed, lambda: len(report.kills) / plan.kills, self._pace())
        try:
            with contextlib.ExitStack() as hands:
                if plan.full_disk:
                    self._tested.state.parent.mkdir()
                    private.tmpfs(self._tested.state.parent, _DISK_MEGABYTES)
                    hands.callback(private.unmount, self._tested.state.parent)
                with contextlib.ExitStack() as cruel:
                    if plan.full_disk:
                        self._hands.append(cruel.enter_context(Filler(plan.seed, self._tested.state.parent)))
                    if plan.pauses:
                        self._hands.append(cruel.enter_context(Pauser(plan.seed, self._tested, _PATIENCE)))
                    changes.start()
                    while len(report.kills) < plan.kills:
                        self._run_and_kill()
                        if len(report.kills) % 20 == 0:
                            say(f"  {len(report.kills)} kills, {time.monotonic() - began:.0f} s")
                changes.finish()
                self._recover()
                self._judge()
        finally:
            if self._tested.alive:
                self._tested.kill_now()
        self._explain_repeats()
        report.faults += [f"a traceback in the log: {last}" for last in self._tested.tracebacks()]
        report.seconds = time.monotonic() - began
        did = changes.done | {f"{type(hand).__name__.lower()} at work": hand.times for hand in self._hands}
        say("  " + ", ".join(f"{name} {times}" for name, times in sorted(did.items())))
        return report

    def _pace(self) -> float:
        return 0.15 if self._plan.model == "colour" else 0.4

    def _run_and_kill(self) -> None:
        if not self._tested.alive:
            self._launch()
        moment = self._moments.wait()
        if not self._tested.alive:
            self._check_refusal()
            return
        target = self._rng.choice(("daemon", "worker"))
        workers = self._tested.processes()
        if target == "worker" and workers:
            self._kill_worker(self._rng.choice(workers), moment)
        else:
            self._tested.kill_now()
            at = time.time()
            self._note(at, "daemon", moment, self._missing())

    def _launch(self) -> None:
        self._tested.launch(tidy=self._rng.random() < 0.5)
        self._report.starts += 1

    def _check_refusal(self) -> None:
        """Check a daemon that ended by itself: only a full disk excuses that, and only with an error message."""
        last = self._tested.log.read_text(errors="replace").splitlines()[-1]
        if self._plan.full_disk and last.startswith("phsearchd: "):
            self._report.refusals += 1
        else:
            self._report.faults.append(f"a start failed or the daemon ended by itself: {last}")
            # Give up if it can never start.
            self._note(time.time(), "daemon", "ended by itself", frozenset())

    def _kill_worker(self, pid: int, moment: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        at = time.time()
        flight = frozenset(
            entry.digest
            for entry in self._tested.costs.entries()
            if entry.pid == pid and entry.at > at - _FLIGHT - self._paused() and entry.digest is not None
        )
        self._note(at, "worker", moment, flight)

    def _note(self, at: float, target: str, moment: str, flight: frozenset[bytes]) -> None:
        there = flight & self._on_disk() if flight else flight
        # A content lost at an earlier kill, and not embedded again since, is not counted twice.
        before = max((kill.at for kill in self._report.kills if kill.target == target), default=0.0)
        embedded = {entry.digest: entry.at for entry in self._tested.costs.entries() if entry.digest in there}
        ages = [at - when for when in embedded.values() if when > before]
        self._report.kills.append(Kill(at, target, moment, flight, len(ages), max(ages, default=0.0)))

    def _paused(self) -> float:
        return 2 * _PATIENCE if self._plan.pauses else 0.0

    def _missing(self) -> frozenset[bytes]:
        """Open the table of a dead daemon; return the contents that were embedded and are not in it."""
        try:
            rows, _ = table.read(self._tested.state, self._plan.model)
        except Exception as error:  # noqa: BLE001 - with any error the table does not open
            self._report.faults.append(f"the table did not open after kill {len(self._report.kills)}: {error}")
            return frozenset()
        return frozenset(self._tested.costs.digests() - {row.digest for row in rows})

    def _on_disk(self) -> set[bytes]:
        """Return the contents on the disk now, while the folders may be changing."""
        contents = set()
        for path in photos_on_disk(self._roots):
            with contextlib.suppress(OSError):
                contents.add(digest(path))
        return contents

    def _recover(self) -> None:
        """Wait until the daemon is idle, without disturbances; it must then have every photo."""
        if not self._tested.alive:
            self._launch()
        wait_until(self._tested.answers, "the daemon answers", 60)
        wanted = sum(1 for _ in photos_on_disk(self._roots))
        try:
            # If so many photos were deleted while it was dead, the daemon asks its owner, or looks again in ten
            # minutes.
            for root in self._roots:
                self._tested.call("library.confirm_deletions", root=str(root))
            self._wait_idle(wanted)
        except AssertionError as error:
            self._report.faults.append(f"{error}; status: {self._tested.status()}")
        errors = self._tested.errors()
        self._report.faults += [f"in errors: {name}: {reason}" for name, reason in errors.items()]
        status = self._tested.stop()
        if status:
            self._report.faults.append(f"the last daemon ended with status {status}")

    def _wait_idle(self, wanted: int) -> None:
        """Wait until the daemon has this many photos and has been idle for a second."""
        since = time.monotonic()

        def is_idle() -> bool:
            nonlocal since
            with contextlib.suppress(PhsearchError):
                status = self._tested.status()
                if not status["pending"] and not status["scanning"] and status["photos"] == wanted:
                    return time.monotonic() - since > 1
            since = time.monotonic()
            return False

        wait_until(is_idle, f"{wanted} photos are indexed", 180)

    def _judge(self) -> None:
        rows, vectors = table.read(self._tested.state, self._plan.model)
        model = ColourModel() if self._plan.model == "colour" else ClipModel(self._plan.model)
        self._report.verdict = compare_index(rows, vectors, self._roots, model)
        self._report.faults += self._report.verdict.faults

    def _explain_repeats(self) -> None:
        """Explain every second embedding of a content by a kill at which the first one was in flight."""
        report = self._report
        before: dict[bytes, float] = {}
        for entry in self._tested.costs.entries():
            report.embedded += 1
            if entry.digest is None:
                report.unknown += 1
                continue
            last = before.get(entry.digest)
            before[entry.digest] = entry.at
            if last is None:
                continue
            report.again += 1
            if not any(entry.digest in kill.flight and last < kill.at < entry.at for kill in report.kills):
                report.unjustified += 1
                report.faults.append(
                    f"embedded again {entry.at - last:.1f} s after it had been, at no kill: {entry.path}"
                )
