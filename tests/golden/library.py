"""The small library that the golden transcripts are about."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from PIL import Image

from support.harness import Daemon, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLOURS = {"red.png": "red", "trip/blue.png": "blue", "trip/yellow.png": "yellow"}


EVENT = "later.png"


@contextlib.contextmanager
def library(home: Path) -> Iterator[Daemon]:
    """Run a daemon over three photos of a colour, one excluded photo and one that cannot be read."""
    daemon = Daemon(home)
    for name, colour in COLOURS.items() | {(".hidden.png", "black")}:
        (daemon.photos / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48), colour).save(daemon.photos / name)
    (daemon.photos / "broken.png").write_bytes(b"no picture")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=3, errors=1, pending=0, scanning=False)
        yield daemon
