"""The run of the volumes torture: rounds of unplugging, a constant load of queries, and the checks at the end."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError
from support.harness import wait_until
from torture.daemons.daemon import TestedDaemon
from torture.disturbances.disks import Disk, Mounted, Renamed
from torture.index import table
from torture.index.expected import ColourModel, Verdict, compare_index
from torture.photos import photographs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_PHOTOS = 120
_MORE = 10
_SETTINGS = "[index]\nphoto_seconds = 5\n[watch]\nsettle_seconds = 0.3\n"


@dataclass
class Report:
    """The result. Every fault is a sentence."""

    rounds: int = 0
    impostors: int = 0
    queries: int = 0
    offline_hits: int = 0
    slowest: float = 0.0
    removed: int = 0
    embedded: int = 0
    again: int = 0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the result in one line."""
        v = self.verdict
        parts = (
            f"unplugged {self.rounds} times (another disk in its place {self.impostors})",
            f"queries {self.queries} (hits of the absent disk {self.offline_hits}, slowest {self.slowest:.2f} s)",
            f"deleted {self.removed}",
            f"photos {v.photos} ({v.contents} distinct), embedded {self.embedded}, re-embedded {self.again}",
            f"lost {len(v.lost)}, duplicates {len(v.duplicates)}, ghosts {len(v.ghosts)}, wrong {len(v.wrong)}",
            f"faults {len(self.faults)}",
            f"{self.seconds:.0f} s",
        )
        return ", ".join(parts)


class QueryLoad:
    """Sends queries in a thread, and expects every photo that was ever indexed."""

    def __init__(self, tested: TestedDaemon, report: Report) -> None:
        self.expected: frozenset[str] = frozenset()
        self.absent = ""
        """The root that is away just now, if one is."""
        self._tested = tested
        self._report = report
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish(self) -> None:
        """Stop the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            expected, absent = self.expected, self.absent
            began = time.monotonic()
            try:
                hits = {hit["path"] for hit in self._tested.call("search", query="red", limit=1000)["hits"]}
            except PhsearchError as error:
                self._report.faults.append(f"a query was not answered: {error}")
                continue
            self._report.queries += 1
            self._report.slowest = max(self._report.slowest, time.monotonic() - began)
            missing = expected - hits
            if missing:
                self._report.faults.append(f"{len(missing)} photos not found, e.g. {min(missing)}")
            if absent:
                self._report.offline_hits += sum(hit.startswith(absent + "/") for hit in hits)


class UnplugRun:
    """One run in `home`."""

    def __init__(self, home: Path, rounds: int, *, mounting: bool) -> None:
        self._rounds = rounds
        self._rng = random.Random(rounds)
        self._report = Report()
        self._supply = photographs(home / "supply", _PHOTOS + _MORE * rounds)
        self._strangers = self._supply[-_MORE // 2 :]
        self._given = 0
        self._disk: Disk = Mounted(home) if mounting else Renamed(home)
        self._beside = home / "photos"
        self._tested = TestedDaemon(home, (self._beside, self._disk.root), "colour", _SETTINGS)
        self._questions = QueryLoad(self._tested, self._report)

    def run(self, say: Callable[[str], None]) -> Report:
        """Run all rounds, compare the index, and return the report."""
        began = time.monotonic()
        self._bring(self._disk.inside, _PHOTOS // 2)
        self._bring(self._beside, _PHOTOS // 2)
        self._disk.plug()
        self._tested.launch()
        try:
            wait_until(self._tested.answers, "the daemon answers")
            self._tested.becomes(photos=_PHOTOS, pending=0, scanning=False)
            self._questions.start()
            for number in range(self._rounds):
                self._round(ingest=number >= self._rounds // 2)
                say(f"  {self._report.rounds} times, {time.monotonic() - began:.0f} s")
            self._conclude()
        except AssertionError as error:
            self._report.faults.append(str(error))
        finally:
            self._questions.finish()
            self._tested.kill_now()
            with contextlib.suppress(AssertionError):
                self._disk.unplug()
            self._disk.close()
        self._report.seconds = time.monotonic() - began
        return self._report

    def _round(self, *, ingest: bool) -> None:
        self._questions.expected = frozenset(map(str, self._present()))
        copying = threading.Thread(target=self._ingest, daemon=True)
        if ingest:
            copying.start()
            time.sleep(self._rng.uniform(0, 0.5))
        self._disk.unplug()
        self._questions.absent = str(self._disk.root)
        wait_until(lambda: self._state() == "offline", "the root is offline", 30)
        time.sleep(self._rng.uniform(0, 0.5))
        match self._report.rounds % 3:
            case 1:
                self._impostor(())
            case 2:
                self._impostor(self._strangers)
        self._questions.absent = ""
        self._disk.plug()
        self._report.rounds += 1
        if ingest:
            copying.join()
        wait_until(lambda: self._state() in {"watching", "polling"}, "the root is back", 30)
        self._tested.becomes(photos=self._given, pending=0, scanning=False)

    def _impostor(self, photos: Sequence[Path]) -> None:
        """Mount something else in its place and wait until the daemon has seen it."""
        self._disk.replace(photos)
        self._tested.call("library.rescan")
        # Longer than the time after which an offline root is tried again.
        time.sleep(self._rng.uniform(0.2, 6))
        if self._state() != "offline":
            self._report.faults.append(
                f"another disk is taken for the one that is away: {self._tested.status()['roots']}"
            )
        self._disk.restore()
        self._report.impostors += 1

    def _ingest(self) -> None:
        """Copy photos to the disk and beside it while it is plugged and unplugged."""
        for number in range(_MORE):
            if number % 2:
                self._bring(self._beside, 1)
            else:
                self._bring_inside()
            time.sleep(0.1)

    def _bring_inside(self) -> None:
        while True:
            with contextlib.suppress(FileNotFoundError):  # it has just been renamed
                self._bring(self._disk.inside, 1)
                return

    def _bring(self, folder: Path, count: int) -> None:
        for photo in self._supply[self._given : self._given + count]:
            part = folder / "part.tmp"
            shutil.copyfile(photo, part)
            part.rename(folder / photo.name)
            self._given += 1

    def _present(self) -> list[Path]:
        return [folder / path.name for folder in (self._disk.root, self._beside) for path in folder.glob("0*")]

    def _state(self) -> str:
        roots = {root["path"]: root["state"] for root in self._tested.status()["roots"]}
        return str(roots[str(self._disk.root)])

    def _conclude(self) -> None:
        self._questions.finish()
        status = self._tested.status()
        self._report.removed = status["counters"]["removed"]
        if self._report.removed:
            self._report.faults.append(f"{self._report.removed} photos were deleted")
        self._report.faults += [f"in errors: {name}: {why}" for name, why in self._tested.errors().items()]
        self._report.faults += [f"a traceback in the log: {last}" for last in self._tested.tracebacks()]
        entries = self._tested.costs.entries()
        times = Counter(entry.digest for entry in entries if entry.digest is not None)
        self._report.embedded = len(entries)
        self._report.again = sum(times.values()) - len(times)
        if self._report.again:
            self._report.faults.append(f"{self._report.again} photos were embedded again")
        self._tested.stop()
        rows, vectors = table.read(self._tested.state, "colour")
        self._report.verdict = compare_index(rows, vectors, (self._beside, self._disk.root), ColourModel())
        self._report.faults += self._report.verdict.faults
