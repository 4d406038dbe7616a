"""The values measured after each cycle, all from outside the daemon: from /proc, the disk and LanceDB."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lancedb

from bench.context import INDEX, MAIN, QUERY, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Daemon

_MB = 1e6


def sample(daemon: Daemon) -> dict[str, float]:
    """Return all values once."""
    found: dict[str, float] = {}
    pids = processes(daemon)
    for name in (MAIN, QUERY, INDEX):
        with contextlib.suppress(OSError, KeyError):
            found |= {f"{name} {key}": value for key, value in _process(pids[name])}
    found["watches"] = _watches(daemon.pid)
    found |= _disk(daemon.state)
    return found | _tables(daemon.state / "index")


def _process(pid: int) -> Iterator[tuple[str, float]]:
    """Return the private memory of a process, all memory it maps, its open files and threads."""
    memory = dict.fromkeys(("Rss", "Private_Clean", "Private_Dirty"), 0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split()[:2]
        if key[:-1] in memory:
            memory[key[:-1]] = int(value)
    yield "own MB", (memory["Private_Clean"] + memory["Private_Dirty"]) * 1024 / _MB
    yield "RSS MB", memory["Rss"] * 1024 / _MB
    yield "files", len(os.listdir(f"/proc/{pid}/fd"))
    yield "threads", len(os.listdir(f"/proc/{pid}/task"))


def _watches(pid: int) -> float:
    """Return the number of inotify watches of a process."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError):
            count += Path(f"/proc/{pid}/fdinfo/{number}").read_text().count("inotify wd:")
    return count


def _disk(state: Path) -> dict[str, float]:
    taken, files = 0, 0
    for folder, _, names in os.walk(state):
        for name in names:
            with contextlib.suppress(OSError):
                taken += os.stat(Path(folder, name)).st_blocks * 512
                files += 1
    return {"disk MB": taken / _MB, "disk files": files}


def _tables(index: Path) -> dict[str, float]:
    """Return versions, fragments and rows of each table; readers do not disturb the writer."""
    found: dict[str, float] = {}
    for folder in sorted(index.glob("*.lance")):
        name = folder.stem.partition("_")[0]
        # Opened again each time, so that no cache of this process is measured.
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            table = lancedb.connect(index).open_table(folder.stem)
            found[f"{name} rows"] = table.count_rows()
            stats: Any = table.stats()  # a dictionary, in spite of its type
            found[f"{name} fragments"] = stats["fragment_stats"]["num_fragments"]
            found[f"{name} versions"] = len(list((folder / "_versions").glob("*.manifest")))
    return found
