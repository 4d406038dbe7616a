"""A library of many photos without files: rows with random vectors, as if their disk were unplugged."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import photos
from bench.context import idle, running
from phsearch.adapters.store import arrow_rows
from phsearch.adapters.store.lance import LanceStore
from phsearch.domain.types import Fingerprint, Photo, PhotoInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.context import BenchContext
    from support.harness import Daemon

SIZE = 10_000
_WRITE = 8_192
_YEAR = 365 * 86_400


def large(
    context: BenchContext, name: str, *, size: int = SIZE, before: bool = False, **sections: dict[str, Any]
) -> Daemon:
    """Return a daemon, not started yet, with `size` photos in its index; start it with `roots`.

    With `before` it is that of the other checkout.
    """
    template = context.folder / f"large-{size}"
    if not template.exists():
        unplugged = context.daemon(template.name)
        make(context, unplugged, size, functools.partial(_photo, roots(context, unplugged)[1]))
    daemon = context.daemon(name, sections, before=before)
    shutil.copytree(template / "state", daemon.home / "state")
    return daemon


def roots(context: BenchContext, daemon: Daemon) -> tuple[Path, Path]:
    """Return the daemon's own folder, and that of the photos without files; it is missing, so their rows are kept."""
    return daemon.photos, context.folder / "unplugged"


def make(context: BenchContext, daemon: Daemon, size: int, photo_of: Callable[[int, Photo], Photo]) -> None:
    """Fill the index of a daemon that is not started, with random vectors.

    `photo_of` returns a photo by its number, like the one that is given.
    """
    # With one real photo the store has the model's identity.
    photos.linked(context.photos.small(1), daemon.photos / "first")
    with running(daemon):
        idle(daemon, 1)
        context.learn(daemon)
    store = LanceStore(folder=daemon.state / "index", name=context.model)
    try:
        _fill(store, size, photo_of)
    finally:
        store.close()


def _fill(store: LanceStore, size: int, photo_of: Callable[[int, Photo], Photo]) -> None:
    (known, *_), _ = store.load()
    identity = arrow_rows.identity_of(store._model._photos.schema)
    assert identity is not None
    rng = np.random.default_rng(0)
    for start in range(0, size, _WRITE):
        numbers = range(start, min(start + _WRITE, size))
        vectors = rng.standard_normal((len(numbers), identity.dim), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store.apply(zip([photo_of(number, known) for number in numbers], vectors, strict=True))
    store.optimize()


def _photo(root: Path, number: int, like: Photo) -> Photo:
    """Return a photo of which everything is known that most cameras say; half of them know where they are."""
    changed = 1_000_000_000_000_000_000 + number
    taken_at = f"2020-06-{1 + number // 3600 % 30:02}T12:{number // 60 % 60:02}:{number % 60:02}"
    lat, lon = (48 + number % 997 / 1000, 2 + number % 991 / 1000) if number % 2 else (None, None)
    return dataclasses.replace(
        like,
        path=str(root / f"{2000 + number // 500}" / f"holiday {number // 100 % 5}" / f"IMG_{number:05}.jpg"),
        root=str(root),
        fingerprint=Fingerprint(2_000_000 + number, changed, changed + 1),
        digest=os.urandom(16),
        info=PhotoInfo(4000, 3000, "JPEG", taken_at, "Canon EOS R6", "RF24-105mm F4 L IS USM", lat, lon, "exif"),
        indexed_at=like.indexed_at - _YEAR + number,
        sequence=like.sequence + 1 + number,
    )
