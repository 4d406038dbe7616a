"""The report of a verification, and the comparison of stored rows and vectors with those in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phsearch.domain.types import Photo, Vectors

MIN_COSINE = 0.95
"""The least cosine of two vectors of the same photo.

Rounding to float16 and the other photos of a batch cost some thousandths. Another precision costs more: for a library
embedded in float32 the least cosine with bfloat16 was 0.974. Vectors of two different photos are rarely this close.
"""

MismatchKind = Literal[
    "not stored", "left over", "stored twice", "other record", "other vector", "not ranked",
    "file missing", "other name", "file changed", "other bytes", "unreadable", "wrong vector",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference that a verification found."""

    path: str
    kind: MismatchKind
    detail: str


@dataclass(slots=True)
class Report:
    """The results so far: `checked` photos were compared with their files, and `sampled` of them were read again.

    `held` is the reason why photos were not embedded again, if indexing was paused.
    """

    rows: int = 0
    checked: int = 0
    sampled: int = 0
    not_checked: int = 0
    held: str | None = None
    lowest_cosine: float | None = None
    mismatches: list[Mismatch] = field(default_factory=list)


def compare_rows(
    rows: Sequence[Photo],
    vectors: Vectors,
    resident: Sequence[Vectors | None],
    known: Mapping[str, Photo],
    seen: set[str],
) -> Iterator[Mismatch]:
    """Compare rows of the store, whose `vectors` are [n, dim], with the `resident` ones and the photos `known`.

    `seen` holds the paths of the rows before; those of these rows are added.
    """
    for row, vector, ranked in zip(rows, vectors, resident, strict=True):
        path, photo = row.path, known.get(row.path)
        if path in seen:
            yield Mismatch(path, "stored twice", "there is more than one row of it on disk")
        seen.add(path)
        if photo is None:
            yield Mismatch(path, "left over", "its row on disk is not in the library")
        elif (row.fingerprint, row.digest) != (photo.fingerprint, photo.digest):
            yield Mismatch(path, "other record", "its row on disk tells of another state of the file")
        elif ranked is None:
            yield Mismatch(path, "not ranked", "it has no vector in memory")
        elif not np.array_equal(vector, ranked):
            yield Mismatch(path, "other vector", "its vector on disk is not the one that is searched")


def compare_vectors(path: str, now: Vectors, known: Vectors) -> tuple[float, Mismatch | None]:
    """Return the cosine of the vector `now` with the `known` one, both [dim], and a Mismatch if it is too small."""
    cosine = float(now @ known / (np.linalg.norm(now) * np.linalg.norm(known)))
    if cosine >= MIN_COSINE:
        return cosine, None
    return cosine, Mismatch(path, "wrong vector", f"cosine {cosine:.4f} with what the model says of it now")
