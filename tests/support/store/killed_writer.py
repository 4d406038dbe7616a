"""Kill -9 a process that writes the index, again and again, and look each time at what is left.

    python -m support.store.killed_writer STATE TRIALS [SEED]

Every writer and every look is a process of its own, forked from this one before LanceDB has started a thread: an
import for each would take more than a second. A writer says through a pipe what was acknowledged.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.adapters.store import photo_tables
from support.store.kit import IDENTITY, content, failure, opened, photo, vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from support.store.kit import Content

OPTIMIZE_EVERY = 6
LONGEST = 0.35


def operation(number: int) -> tuple[Content, set[str]]:
    """Return what write `number` puts, half of it in place of what the write before put, and what it deletes."""
    names = [f"/r/{number}-{each}" for each in range(12)] + [f"/r/{number - 1}-{each}" for each in range(6)]
    row = vector(number).tolist()
    return {name: (photo(name, number, float(number)), row) for name in names}, {
        f"/r/{number - 2}-{each}" for each in range(6, 12)
    }


def after(before: Content, number: int) -> Content:
    """Return the content that write `number` makes of `before`."""
    upserts, deletes = operation(number)
    return {path: row for path, row in (before | upserts).items() if path not in deletes}


def write(state: Path, first: int, say: Callable[[object], None]) -> None:
    """Write until killed."""
    store = opened(state, IDENTITY)
    store.load()
    store.load_failures()
    for number in range(first, first + 10_000):
        upserts, deletes = operation(number)
        store.apply([(each, vector(number)) for each, _ in upserts.values()], deletes=deletes)
        store.apply(failures=[failure(f"/bad/{number}")], deletes=[f"/bad/{number - 1}"])
        say(number)
        if number % OPTIMIZE_EVERY == 0:
            store.optimize()


def look(state: Path, say: Callable[[object], None]) -> None:
    """Open what is left and tell its content."""
    store = opened(state)
    rows = sum(len(photos) for photos, _ in store.rows())
    found = content(store)
    say((rows, found, {each.path for each in store.load_failures()}))


def forked(work: Callable[..., None], *arguments: object) -> tuple[int, BinaryIO]:
    """Do `work` in a process of its own; return its number and what it says, pickled."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, os.fdopen(reader, "rb")
    status = 1
    try:
        with os.fdopen(writer, "wb", 0) as pipe:
            work(*arguments, lambda said: pipe.write(pickle.dumps(said)))
        status = 0
    finally:
        os._exit(status)


def said(pipe: BinaryIO) -> list[Any]:
    """Read everything a process said before its end."""
    heard = []
    with pipe:
        while True:
            try:
                heard.append(pickle.load(pipe))
            except (EOFError, pickle.UnpicklingError):
                return heard


def main(state: Path, trials: int, seed: int) -> None:
    """Print what was counted; fail where a row is lost, wrong or there twice."""
    chance = random.Random(seed)
    photo_tables._INDEXED_ROWS = 30
    warnings.simplefilter("ignore", RuntimeWarning)  # LanceDB does not trust forks; nothing of it runs here
    known: Content = {}
    number = writes = unacknowledged = 0
    for trial in range(trials):
        process, pipe = forked(write, state, number)
        time.sleep(chance.uniform(0.0, LONGEST))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        acknowledged = said(pipe)
        for each in acknowledged:
            known = after(known, each)
        writes += len(acknowledged)
        number += len(acknowledged)
        process, pipe = forked(look, state)
        heard = said(pipe)
        assert os.waitpid(process, 0)[1] == 0, f"trial {trial}: it cannot be opened"
        ((rows, found, failures),) = heard
        possible = after(known, number)
        wrong = [path for path, row in found.items() if row not in (known.get(path), possible.get(path))]
        lost = [path for path in known.keys() & possible.keys() if path not in found]
        assert not wrong, f"trial {trial}: wrong rows {wrong}"
        assert not lost, f"trial {trial}: lost rows {lost}"
        assert rows == len(found), f"trial {trial}: {rows} rows for {len(found)} photos"
        assert not acknowledged or failures & {f"/bad/{number - 1}", f"/bad/{number}"}, f"trial {trial}: {failures}"
        unacknowledged += found != known
        known = found
        number += 1
    print(f"{trials} kills, {writes} acknowledged writes, {unacknowledged} writes half or wholly done when killed:")
    print("0 lost, 0 wrong, 0 twice")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
