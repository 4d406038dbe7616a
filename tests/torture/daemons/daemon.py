"""The daemon under torture: launched without waiting for it, with the real model or the colour model."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError
from support.harness import Daemon
from torture.daemons.costs import EmbeddingCosts
from torture.daemons.counted_worker import COSTS_FILE, MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTED_DAEMON = (sys.executable, str(Path(__file__).with_name("counted_daemon.py")))


class TestedDaemon(Daemon):
    """One daemon over `roots`, which is killed and launched many times."""

    def __init__(self, home: Path, roots: Sequence[Path], model: str, settings: str) -> None:
        # Full precision, so that a vector is the same after every start.
        super().__init__(home, COUNTED_DAEMON, settings + f'[model]\nname = "{model}"\nprecision = "fp32"\n')
        self.roots = tuple(roots)
        self.costs = EmbeddingCosts(home / "costs")
        self.env |= {COSTS_FILE: str(self.costs.path), MODEL: model}

    def launch(self, *, tidy: bool = False) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "--root", *map(str, self.roots), "--log-level", "debug"],
                env=self.env | {"PHSEARCH_TORTURE_TIDY": str(int(tidy))},
                stderr=log,
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Whether it runs and answers."""
        with contextlib.suppress(PhsearchError):
            return self.alive and bool(self.status())
        return False

    def processes(self) -> list[int]:
        """Return the process ids of its workers; none if it is dead."""
        try:
            return self.workers() if self.alive else []
        except OSError:
            return []

    def kill_now(self) -> None:
        """Kill it with kill -9, also if it has just ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(20)

    def tracebacks(self) -> list[str]:
        """Return the last line of every traceback in the log, each once."""
        lines = iter(self.log.read_text(errors="replace").splitlines())
        ends = {
            next((line for line in lines if not line.startswith(" ")), "")
            for each in lines
            if each.startswith("Traceback")
        }
        return sorted(ends)
