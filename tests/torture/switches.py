"""Changes of the model in random order with restarts, kills, other roots and other photos, under queries all the while.

After each step a query must be answered, and rightly: the vectors of two models in one ranking, or in one table, give a
colour that is not asked for. In the end the index must be exactly what is on the disk, by the model that is wanted.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from phsearch.errors import PhsearchError, RemoteError
from support.harness import Daemon, photo, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("colour", "mirrored", "wide")
COLOURS = ("red", "lime", "blue")
WORDS = {"red": "red", "lime": "green", "blue": "blue"}
ALIKE = 0.8
"""The cosine of a colour and its name by one model; by two models it is far less."""
STEPS: dict[str, int] = {
    "use": 6,
    "cancel": 2,
    "kill": 3,
    "restart": 2,
    "roots": 2,
    "add": 3,
    "change": 2,
    "rename": 2,
    "delete": 1,
    "wait": 6,
}
"""Step -> how often, relative to the others."""


@dataclass(slots=True)
class SwitchReport:
    """What a run did, and what was wrong."""

    steps: list[str] = field(default_factory=list)
    asked: int = 0
    changes: int = 0
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return a summary."""
        return (
            f"{len(self.steps)} steps, {self.changes} changes of the model completed, {self.asked} queries, "
            f"{len(self.faults)} faults"
        )


class SwitchRun:
    """One run in `home`."""

    def __init__(self, home: Path, *, seed: int, steps: int, photos: int) -> None:
        self._random = random.Random(seed)
        self._steps = steps
        self._daemon = Daemon(home)
        self._second = home / "second"
        self._file = home / "config" / "phsearch" / "config.toml"
        self._both = True
        self._wanted = "colour"
        self._answering = "colour"
        self._number = 0
        self.report = SwitchReport()
        for _ in range(photos):
            self._add()

    def run(self, say: Callable[[str], None] = lambda _line: None) -> SwitchReport:
        """Do the steps, and compare."""
        self._write_settings()
        daemon = self._daemon.start(from_file=True)
        try:
            daemon.settled()
            for step in self._random.choices(list(STEPS), weights=list(STEPS.values()), k=self._steps):
                self.report.steps.append(step)
                say(step)
                getattr(self, f"_{step}")()
                self._ask()
            self._compare()
        except (AssertionError, PhsearchError) as error:
            self.report.faults.append(f"after {self.report.steps}: {error}")
        finally:
            daemon.stop()
        if "a bug in phsearch" in (log := daemon.log.read_text()) or "Traceback" in log:
            self.report.faults.append(f"the log has a traceback: {log[-3000:]}")
        return self.report

    # --- steps ------------------------------------------------------------------------------------------------

    def _use(self) -> None:
        self._wanted = self._random.choice(MODELS)
        self._daemon.call("model.use", name=self._wanted)

    def _cancel(self) -> None:
        with contextlib.suppress(RemoteError):  # there is no change
            self._daemon.call("model.cancel")
        status = self._daemon.status()
        if status.get("switch") is None:
            self._wanted = status["model"]["name"]

    def _kill(self) -> None:
        self._daemon.kill()
        self._daemon.start(from_file=True)

    def _restart(self) -> None:
        assert self._daemon.stop() == 0
        self._daemon.start(from_file=True)

    def _roots(self) -> None:
        self._both = not self._both
        self._write_settings()
        self._daemon.call("config.reload")

    def _add(self) -> None:
        for _ in range(self._random.randrange(1, 4)):
            self._number += 1
            folder = self._random.choice((self._daemon.photos, self._daemon.photos / "folder", self._second))
            slow = self._random.choice(("", "slow-"))
            photo(folder / f"{slow}{self._number}.png", COLOURS[self._number % 3], (32, 24))

    def _change(self) -> None:
        path = self._random.choice(self._on_disk(all_roots=True))
        photo(path, self._random.choice(COLOURS), (48, 24))

    def _rename(self) -> None:
        folder = self._daemon.photos / "folder"
        if folder.exists() and self._random.random() < 0.5:
            self._number += 1
            folder.rename(self._daemon.photos / f"folder-{self._number}")
            return
        path = self._random.choice(self._on_disk(all_roots=True))
        self._number += 1
        path.rename(path.with_name(f"renamed-{self._number}.png"))

    def _delete(self) -> None:
        paths = self._on_disk(all_roots=True)
        if len(paths) > 2 * len(COLOURS):
            self._random.choice(paths).unlink()

    def _wait(self) -> None:
        """Let what is under way end."""
        wait_until(lambda: self._daemon.status().get("switch") is None, "the change of the model ends", 60)

    # --- what must hold ---------------------------------------------------------------------------------------

    def _ask(self) -> None:
        daemon = self._daemon
        model = daemon.status()["model"]["name"]
        if model != self._answering:
            self.report.changes += 1
            self._answering = model
        for colour in COLOURS:
            hits = daemon.call("search", query=WORDS[colour], limit=1)["hits"]
            self.report.asked += 1
            # The only photo of a colour may have been changed, or be on its way.
            if hits and hits[0]["score"] < ALIKE and self._settled_colours() >= {colour}:
                self._fault(f"{WORDS[colour]} finds {hits} by {model}")
            elif not hits:
                self._fault(f"{WORDS[colour]} finds nothing by {model}")

    def _fault(self, what: str) -> None:
        self.report.faults.append(f"{what}, after {' '.join(self.report.steps)}")

    def _settled_colours(self) -> set[str]:
        self._daemon.settled()
        found = {colour: self._daemon.call("search", query=WORDS[colour], limit=1)["hits"] for colour in COLOURS}
        return {
            colour for colour, hits in found.items() if not hits or hits[0]["score"] < ALIKE
        } & self._colours_there()

    def _colours_there(self) -> set[str]:
        from PIL import Image  # noqa: PLC0415 - only after a doubt

        pixels = set()
        for path in self._on_disk():
            with Image.open(path) as image:
                pixels.add(image.convert("RGB").getpixel((5, 5)))
        return {
            name for name, rgb in zip(COLOURS, ((255, 0, 0), (0, 255, 0), (0, 0, 255)), strict=True) if rgb in pixels
        }

    def _compare(self) -> None:
        daemon = self._daemon
        self._wait()
        daemon.settled(60)
        wait_until(lambda: daemon.status()["model"]["name"] == self._wanted, f"{self._wanted} answers", 60)
        self._ask()
        wanted = {str(path) for path in self._on_disk()}

        def found() -> set[str]:
            return {hit["path"] for hit in daemon.call("search", query="red", limit=1000)["hits"]}

        with contextlib.suppress(AssertionError):
            wait_until(lambda: found() == wanted, "the index is what is on the disk", 30)
        lost, ghosts = sorted(wanted - found()), sorted(found() - wanted)
        assert (lost, ghosts) == ([], []), f"of {len(wanted)} photos"
        report = daemon.call("library.verify", sample=1000)
        assert report["ok"], report

    def _on_disk(self, *, all_roots: bool = False) -> list[Path]:
        roots = (self._daemon.photos, *([self._second] if self._both or all_roots else []))
        return sorted(path for root in roots for path in root.rglob("*.png"))

    def _write_settings(self) -> None:
        self._second.mkdir(exist_ok=True)
        roots = ", ".join(f'"{root}"' for root in (self._daemon.photos, *([self._second] if self._both else [])))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(f'roots = [{roots}]\n[model]\nname = "colour"\n[watch]\nsettle_seconds = 0.1\n')


def main() -> int:
    """Run some seeds; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--steps", type=int, default=30, help="how many steps each")
    parser.add_argument("--photos", type=int, default=20, help="how many times one to three photos at the beginning")
    parser.add_argument("--quick", action="store_true", help="three seeds")
    options = parser.parse_args()
    failed, total = 0, SwitchReport()
    for seed in range(options.first, options.first + (3 if options.quick else options.runs)):
        home = Path(tempfile.mkdtemp(prefix="switches-"))
        report = SwitchRun(home, seed=seed, steps=options.steps, photos=options.photos).run()
        print(f"seed {seed}: {report.line()}", flush=True)
        for fault in report.faults:
            print(f"  {fault}; everything is left in {home}")
        failed += bool(report.faults)
        total.steps += report.steps
        total.asked += report.asked
        total.changes += report.changes
        total.faults += report.faults
        if not report.faults:
            shutil.rmtree(home, ignore_errors=True)
    print(total.line())
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
