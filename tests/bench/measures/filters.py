"""The cost of filters and relevance in a ranking in memory: the same search with and without them, alternately."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from bench.table import Measurement, Target
from phsearch.domain.query import parse
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.filters import FilterCompiler
from phsearch.domain.search.relevance import UNCALIBRATED, Calibration, Curve
from phsearch.domain.search.search import Cutoff, rank
from phsearch.domain.search.vector_index import VectorIndex
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from phsearch.domain.types import Photo, Vectors

_PHOTOS, _QUICK = 100_000, 20_000
_DIM = 384
_FOLDERS, _CAMERAS = 1_000, 12
_ROUNDS = 15
_TODAY = dt.date(2024, 6, 1)
_QUERIES = {
    "date": "date:2015..2017",
    "folder": "in:trip7",
    "camera": 'camera:"maker 3"',
    "position": "near:48,2,500km",
    "all of them": 'date:2015..2017 in:trip7 camera:"maker 3" near:48,2,500km size:>1MP type:jpeg',
}


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Rank a library of random vectors."""
    count = _QUICK if context.quick else _PHOTOS
    rng = np.random.default_rng(0)
    index = VectorIndex()
    begun = time.perf_counter()
    index.load([_photo(number, rng) for number in range(count)], _unit(rng, count))
    took = time.perf_counter() - begun
    yield Measurement(f"load {count:,} photos", took, "s", note="made up and put into matrix and columns")
    filter_compiler = FilterCompiler(Roots(["/photos"]), "/home/me")
    reference = _unit(rng, 1_000)
    curve = Curve(base=-1, own=16, spread=-50, size=-0.5, usual_mean=0.05, usual_std=0.06)
    mean, covariance = reference.mean(axis=0), np.cov(reference.T).astype(np.float32)
    calibrated = Calibration(
        words=curve, photo=curve, strong=0.5, likely=0.3, weak=0.15, mean=mean, covariance=covariance
    )
    for name, text in _QUERIES.items():
        plain, filtered = _turns(index, filter_compiler, text, UNCALIBRATED, rng)
        yield Measurement(f"search by {name}", filtered, "ms", "without", plain, Target("ratio", "<=", 2))
    plain, judged = _turns(index, filter_compiler, "", calibrated, rng)
    yield Measurement("search with relevance", judged, "ms", "without", plain, Target("ratio", "<=", 2))


def _turns(
    index: VectorIndex, filter_compiler: FilterCompiler, text: str, calibration: Calibration, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the medians in ms of a plain search and of one with filters and a calibration."""
    filters = parse(text, _TODAY).filters if text else ()
    plain, other = [], []
    for _ in range(_ROUNDS):
        query = _unit(rng, 1)[0]
        begun = time.perf_counter()
        rank(index, query, kind="words", calibration=UNCALIBRATED, where=filter_compiler.compile(()), limit=20)
        between = time.perf_counter()
        rank(
            index,
            query,
            kind="words",
            calibration=calibration,
            where=filter_compiler.compile(filters),
            cutoff=Cutoff(relevance=0.15),
            limit=20,
        )
        plain.append(1000 * (between - begun))
        other.append(1000 * (time.perf_counter() - between))
    return statistics.median(plain), statistics.median(other)


def _unit(rng: np.random.Generator, rows: int) -> Vectors:
    found = rng.standard_normal((rows, _DIM), np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _photo(number: int, rng: np.random.Generator) -> Photo:
    year, month, camera = rng.integers(2005, 2025), rng.integers(1, 13), rng.integers(_CAMERAS)
    lat, lon = rng.uniform(-60, 60), rng.uniform(-180, 180)
    folder = f"/photos/trip{number % _FOLDERS // 10}/part{number % 10}"
    taken = f"{year}-{month:02}-11T10:20:30"
    return photo(f"{folder}/{number}.jpg", b"", taken_at=taken, camera=f"Maker {camera}", lat=lat, lon=lon)
