"""A library of ten thousand photos without files: rows with random vectors, as if their disk were unplugged."""

from __future__ import annotations

import dataclasses
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
    from pathlib import Path

    from bench.context import BenchContext
    from support.harness import Daemon

SIZE = 10_000
_WRITE = 256
_YEAR = 365 * 86_400


def large(context: BenchContext, name: str, **sections: dict[str, Any]) -> Daemon:
    """Return a daemon, not started yet, with ten thousand photos in its index; start it with `roots`."""
    template = context.folder / "large" / "state"
    if not template.exists():
        _make(context)
    daemon = context.daemon(name, sections)
    shutil.copytree(template, daemon.home / "state")
    return daemon


def roots(context: BenchContext, daemon: Daemon) -> tuple[Path, Path]:
    """Return the daemon's own folder, and that of the photos without files; it is missing, so their rows are kept."""
    return daemon.photos, context.folder / "unplugged"


def _make(context: BenchContext) -> None:
    daemon = context.daemon("large")
    # With one real photo the store has the model's identity.
    photos.linked(context.photos.small(1), daemon.photos / "first")
    with running(daemon):
        idle(daemon, 1)
        context.learn(daemon)
    store = LanceStore(folder=daemon.state / "index", name=context.model)
    try:
        _fill(store, roots(context, daemon)[1])
    finally:
        store.close()


def _fill(store: LanceStore, root: Path) -> None:
    known, _ = store.load()
    identity = arrow_rows.identity_of(store._photos.schema)
    assert identity is not None
    rng = np.random.default_rng(0)
    for start in range(0, SIZE, _WRITE):
        numbers = range(start, min(start + _WRITE, SIZE))
        vectors = rng.standard_normal((len(numbers), identity.dim), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = [_photo(root, number, known[0]) for number in numbers]
        store.apply(zip(rows, vectors, strict=True))
    store.optimize()


def _photo(root: Path, number: int, like: Photo) -> Photo:
    return dataclasses.replace(
        like,
        path=str(root / f"{2000 + number // 500}" / f"holiday {number // 100 % 5}" / f"IMG_{number:05}.jpg"),
        root=str(root),
        fingerprint=Fingerprint(2_000_000 + number, 1_000_000_000_000_000_000 + number),
        digest=os.urandom(16),
        info=PhotoInfo(4000, 3000, "JPEG", f"2020-06-01T12:{number // 60 % 60:02}:{number % 60:02}", "Canon EOS R6"),
        indexed_at=like.indexed_at - _YEAR + number,
    )
