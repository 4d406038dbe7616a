"""Realistic libraries, drawn from captioned photos: small and large, with and without the photos that are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from phsearch.domain.calibration.truth import NO, YES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

_SIZES = (10, 30, 100, 300, 1000)
_ONE_IN = 25
_SUBJECT = 10

Kind = Literal["mixed", "few", "none", "subject"]
"""Random photos; one photo in 25 is meant; none is; all are, as in a library of dogs."""


@dataclass(frozen=True, slots=True)
class Library:
    """Photos by number, and which of them one query means."""

    query: int
    kind: Kind
    photos: npt.NDArray[np.int64]
    meant: npt.NDArray[np.bool_]


def deal(meant: Sequence[npt.NDArray[np.int8]], seed: int) -> Iterator[Library]:
    """Return the libraries for queries with `meant` [n] each; photos with an unknown meaning are in none."""
    rng = np.random.default_rng(seed)
    for query, verdicts in enumerate(meant):
        yes, no = np.flatnonzero(verdicts == YES), np.flatnonzero(verdicts == NO)
        if not len(yes) or not len(no):
            continue
        for size in (each for each in _SIZES if each <= len(no) or each == _SIZES[0]):
            few = min(len(yes), max(1, size // _ONE_IN))
            yield _library(query, "mixed", rng.permutation(np.concatenate([yes, no]))[:size], verdicts)
            yield _library(
                query, "few", np.concatenate([rng.permutation(yes)[:few], rng.permutation(no)[: size - few]]), verdicts
            )
            yield _library(query, "none", rng.permutation(no)[:size], verdicts)
        if len(yes) >= _SUBJECT:
            yield _library(query, "subject", yes, verdicts)


def _library(query: int, kind: Kind, photos: npt.NDArray[np.int64], verdicts: npt.NDArray[np.int8]) -> Library:
    return Library(query, kind, photos, verdicts[photos] == YES)
