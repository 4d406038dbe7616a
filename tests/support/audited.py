"""A daemon all of whose processes report what they import and connect to."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from support.harness import PHSEARCHD, TESTS, Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Audit:
    """What the processes have reported, by pid."""

    def __init__(self, fifo: Path) -> None:
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        self._descriptor = os.open(fifo, os.O_RDWR)  # also a writer, so that reading never ends
        self.commands: dict[int, str] = {}
        self.imports: dict[int, set[str]] = defaultdict(set)
        self.network: dict[int, set[tuple[str, str]]] = defaultdict(set)
        threading.Thread(target=self._read, daemon=True).start()

    def workers(self) -> set[int]:
        """Return the workers' pids."""
        return {pid for pid, command in self.commands.items() if "phsearch.worker" in command}

    def _read(self) -> None:
        with os.fdopen(self._descriptor, "rb") as lines:
            for line in lines:
                pid, event, text = json.loads(line)
                match event:
                    case "start":
                        self.commands[pid] = text
                    case "import":
                        self.imports[pid].add(text.partition(".")[0])
                    case _:
                        self.network[pid].add((event, text))


@contextlib.contextmanager
def audited(home: Path, settings: str = "") -> Iterator[tuple[Daemon, Audit]]:
    """Start the real daemon with the bundled model, audited, and stop it at the end."""
    home.mkdir(parents=True, exist_ok=True)
    audit = Audit(home / "audit")
    daemon = Daemon(home, PHSEARCHD, settings)
    daemon.env |= {
        "AUDIT_FIFO": str(home / "audit"),
        "PYTHONPATH": os.pathsep.join([str(TESTS / "support" / "audit"), daemon.env["PYTHONPATH"]]),
    }
    daemon.start()
    try:
        yield daemon, audit
    finally:
        daemon.stop()
