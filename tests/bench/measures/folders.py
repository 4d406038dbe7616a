"""Folders of a large library are renamed, copied, deleted: how long the daemon is silent, and until it is right."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from bench import library
from bench.context import LONG, idle, running, say
from bench.table import Measurement, Target
from phsearch.client import Client
from phsearch.domain.types import Fingerprint, Photo, PhotoInfo
from support.harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_PER_FOLDER = 10
_PAUSE = 0.005
_ASK_AGAIN = 0.25
_BYTES_A_PHOTO = 2_762
"""What a photo takes at rest, by `--only load`: copies are more photos."""
_SILENT = 50.0
_RIGHT = 10.0


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Rename, copy and delete a tree of folders."""
    count = context.count(100_000, 10_000)
    daemon = context.daemon("folders", {"watch": {"settle_seconds": 0.5}})
    tree = daemon.photos / "tree"
    library.make(context, daemon, count, functools.partial(_photo, tree))
    with running(daemon):
        idle(daemon, count)
        time.sleep(5)
        yield from _change(daemon, "renamed", count, lambda: tree.rename(tree.with_name("named")), "in:named", count)
        named, copied = tree.with_name("named"), tree.with_name("copied")
        yield from _change(daemon, "copied in", count, lambda: shutil.copytree(named, copied), "in:copied", count)
        yield from _change(daemon, "deleted", count, lambda: shutil.rmtree(copied), "in:tree OR in:copied", 0)


def _change(
    daemon: Daemon, name: str, count: int, change: Callable[[], object], query: str, expected: int
) -> Iterator[Measurement]:
    say(f"  {count:,} photos in {count // _PER_FOLDER:,} folders: {name}")
    with _listening(daemon) as quiet:
        time.sleep(5)
    Path(f"/proc/{daemon.pid}/clear_refs").write_text("5", encoding="ascii")  # the peak is that of now
    rest, photos = _memory(daemon, "VmRSS"), daemon.status()["photos"]
    with _listening(daemon) as gaps:
        begun = time.monotonic()
        change()
        took = time.monotonic() - begun
        wait_until(lambda: _is_right(daemon, query, expected), f"{name}: {query} is right", LONG)
        right = time.monotonic() - begun - took
        wait_until(lambda: not daemon.status()["pending"], "nothing is pending", LONG)
        settled = time.monotonic() - begun - took
    note = f"{count:,} photos in {count // _PER_FOLDER:,} folders; the change itself took {took:.1f} s"
    silent = Target("value", "<=", _SILENT)
    yield Measurement(f"{name}, longest silence", max(gaps) * 1000, "ms", "at rest", max(quiet) * 1000, silent, note)
    yield Measurement(f"{name}, until in: is right", right, "s", target=Target("value", "<=", _RIGHT))
    yield Measurement(f"{name}, until all is written", settled, "s")
    peak = _memory(daemon, "VmHWM")
    rest += max(0, daemon.status()["photos"] - photos) * _BYTES_A_PHOTO / 2**20
    yield Measurement(f"{name}, memory, peak", peak, "MB", "at rest", rest, Target("ratio", "<=", 1.2))


def _is_right(daemon: Daemon, query: str, expected: int) -> bool:
    time.sleep(_ASK_AGAIN)  # as often as somebody may look; the rank thread has other work, too
    return _matching(daemon, query) == expected


def _matching(daemon: Daemon, query: str) -> int:
    found = 0
    with contextlib.suppress(Exception), Client(daemon.socket, LONG) as client:
        found = sum(int(client.call("search", query=each, limit=1)["matching"]) for each in query.split(" OR "))
    return found


@contextlib.contextmanager
def _listening(daemon: Daemon) -> Iterator[list[float]]:
    """Ask something trivial all the time; yield a list that gets the seconds until each answer."""
    gaps: list[float] = [0.0]
    ended = threading.Event()

    def ask() -> None:
        with Client(daemon.socket, LONG) as client:
            while not ended.is_set():
                begun = time.perf_counter()
                client.call("library.errors", limit=1)
                gaps.append(time.perf_counter() - begun)
                time.sleep(_PAUSE)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield gaps
    finally:
        ended.set()
        thread.join()


def _memory(daemon: Daemon, key: str) -> float:
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


def _photo(tree: Path, number: int, like: Photo) -> Photo:
    """Write a small photo, and return it as the index knows it."""
    folder = tree / f"{number // 1000:03}" / f"{number // _PER_FOLDER:05}"
    folder.mkdir(parents=True, exist_ok=True)
    content = _PNG + number.to_bytes(8, "little")
    path = folder / f"IMG_{number:06}.png"
    path.write_bytes(content)
    return Photo(
        path=str(path),
        root=like.root,
        fingerprint=Fingerprint.of(os.stat(path)),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        info=PhotoInfo(4, 4, "PNG", f"2020-06-01T12:{number // 60 % 60:02}:{number % 60:02}", "Canon EOS R6"),
        indexed_at=like.indexed_at - 365 * 86_400 + number,
        sequence=number,
    )


def _png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(data, "PNG")
    return data.getvalue()


_PNG = _png()
