"""The daemon with the colour worker, an inotify reader that dies of a file called "poison", and little patience."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import machine
from colourd import COLOUR_WORKER
from phsearch.adapters import watch
from phsearch.daemon import compose_index, run
from phsearch.daemon import main as app

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent

_PATIENCE = 2.0


class Mortal(watch.Inotify):
    """Dies as a bug in it would make it."""

    def handle_event(self, event: InotifyEvent) -> None:
        """Hand an event on, or die."""
        if event.name == b"poison":
            raise RuntimeError("poisoned")
        super().handle_event(event)


if __name__ == "__main__":
    run.run.__defaults__ = (COLOUR_WORKER,)
    vars(compose_index)["FolderWatcher"] = partial(watch.FolderWatcher, inotify=Mortal, patience=_PATIENCE)
    vars(compose_index)["Watchers"] = partial(watch.IsolatingWatcher, patience=_PATIENCE)
    machine.use()
    app.main()
