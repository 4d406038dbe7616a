"""The daemon with the colour worker, an inotify reader that dies of a file called "poison", and short time-outs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.adapters import watch
from phsearch.daemon import compose_index
from phsearch.daemon.main import main
from support.machine import fake_power
from support.time_limits import scaled
from support.workers import COLOUR_WORKER

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent

_TIMEOUT = scaled(0.7)


class DyingInotify(watch.Inotify):
    """Dies as a bug in it would make it."""

    def handle_event(self, event: InotifyEvent) -> None:
        """Hand an event on, or die."""
        if event.name == b"poison":
            raise RuntimeError("poisoned")
        super().handle_event(event)


if __name__ == "__main__":
    vars(compose_index)["FolderWatcher"] = partial(watch.FolderWatcher, inotify=DyingInotify, timeout=_TIMEOUT)
    vars(compose_index)["IsolatingWatcher"] = partial(watch.IsolatingWatcher, timeout=_TIMEOUT)
    fake_power.use()
    main(worker=COLOUR_WORKER)
