"""Disturbances in the background: processes that are paused and continued, and a disk that fills up and empties."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from torture.daemons.daemon import TestedDaemon

_PAGE = 4096


class BackgroundAction:
    """Does something at random times in a thread, until the end."""

    def __init__(self, seed: int) -> None:
        self.times = 0
        self._rng = random.Random(f"{seed} {type(self).__name__}")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._rng.uniform(0.3, 3)):
            self._act()
            self.times += 1

    def _act(self) -> None:
        raise NotImplementedError


class Pauser(BackgroundAction):
    """Stops the daemon or a worker by SIGSTOP for a moment, sometimes longer than a worker may be silent."""

    def __init__(self, seed: int, tested: TestedDaemon, patience: float) -> None:
        super().__init__(seed)
        self._tested = tested
        self._patience = patience

    def _act(self) -> None:
        processes = self._tested.processes()
        if self._tested.alive:
            processes.append(self._tested.pid)
        if not processes:
            return
        pid = self._rng.choice(processes)
        seconds = self._patience * 1.4 if self._rng.random() < 0.1 else self._rng.uniform(0.05, 2)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                self._end.wait(seconds)
            finally:
                os.kill(pid, signal.SIGCONT)


class Filler(BackgroundAction):
    """Fills the disk to the last byte, and frees it again."""

    def __init__(self, seed: int, disk: Path) -> None:
        super().__init__(seed)
        self._ballast = disk / "ballast"

    def _act(self) -> None:
        left = self._rng.choice((0, 1, 4, 32, 256)) * _PAGE
        with self._ballast.open("wb", buffering=0) as file:
            try:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(64 * _PAGE))
                # A short write of the rest, then remove the bytes that must stay free.
                with contextlib.suppress(OSError):
                    while file.write(bytes(_PAGE)) == _PAGE:
                        pass
                file.truncate(max(0, file.tell() - left))
                self._end.wait(self._rng.uniform(0.2, 4))
            finally:
                file.truncate(0)
        self._ballast.unlink()
