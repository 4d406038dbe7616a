"""Photos, vectors and a way to look at a store, for the tests of the index on disk."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.store.lance import LanceStore
from phsearch.adapters.store.table_names import table_name
from phsearch.domain.types import Failure, Fingerprint, ModelIdentity, Photo, PhotoInfo

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import Vectors

IDENTITY = ModelIdentity("mini", "", "abc", "{}", 4)
PHOTOS = table_name("photos", IDENTITY)
INFO = PhotoInfo(640, 480, "JPEG", "2023-06-01T12:30:05.25+02:00", "Pixel 8", "wide", 48.85, 2.35)

Content = dict[str, tuple[Photo, list[float]]]


class NothingStored:
    """A store that knows no photo, deleted or not."""

    @property
    def deleted_vectors(self) -> NothingStored:
        return self

    def find_content(self, path: str, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        raise AssertionError(path, digest)

    def has_digest(self, digest: bytes) -> bool:
        return digest == b""

    def find_digest(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        raise AssertionError(digest)


def photo(path: str, size: int = 1, at: float = 1.0) -> Photo:
    digest = hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
    return Photo(path, "/r", Fingerprint(size, 1_700_000_000_123_456_789), digest, INFO, at)


def failure(path: str, reason: str = "broken") -> Failure:
    return Failure(path, Fingerprint(0, 5), reason, "v1", 2, 3.5, b"e" * 16)


def vector(number: int, dim: int = 4) -> Vectors:
    found = np.random.default_rng(number).normal(size=dim)
    return (found / np.linalg.norm(found)).astype(np.float16).astype(np.float32)


def former_tables(store: LanceStore) -> dict[str, int]:
    """Return the tables of models that are not in use, with their bytes."""
    return {table.name: table.bytes for table in store.stats() if table.former}


def opened(state: Path, identity: ModelIdentity | None = None) -> LanceStore:
    """Open the index below `state`; with an `identity` its table is made, too."""
    store = LanceStore(folder=state / "index", name="mini")
    if identity is not None:
        store.create_or_check(identity)
    return store


def content(store: LanceStore) -> Content:
    photos, vectors = store.load()
    assert len({each.path for each in photos}) == len(photos)
    return {each.path: (each, row.tolist()) for each, row in zip(photos, vectors, strict=True)}


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
